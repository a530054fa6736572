import type { ApiErrorCode } from './api-types.ts';

const STATUS: Readonly<Record<ApiErrorCode, number>> = {
  malformed: 400,
  unauthorized: 401,
  'bad-code': 401,
  foreign: 403,
  'not-found': 404,
  conflict: 409,
  'too-many': 429,
  failed: 500,
  unavailable: 501,
  busy: 503,
};

/** Why a request is refused; its message goes to the caller. */
export class ApiFailure extends Error {
  readonly code: ApiErrorCode;
  readonly status: number;

  constructor(code: ApiErrorCode, message: string, { status = STATUS[code] }: { readonly status?: number } = {}) {
    super(message);
    this.name = 'ApiFailure';
    this.code = code;
    this.status = status;
  }
}
