/** What a refused request is told: a status, a word for programs, a sentence for people. */
export class HttpProblem extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HttpProblem';
    this.status = status;
    this.code = code;
  }
}

/** There is nothing by that name. `what`: as a person would call it, such as `relay`. */
export function notFound(what: string): HttpProblem {
  return new HttpProblem(404, 'not-found', `there is no such ${what}`);
}

/** It is not the time for that. */
export function conflict(message: string): HttpProblem {
  return new HttpProblem(409, 'conflict', message);
}

/** The caller has not shown who it is, or not well enough. Says no more than that. */
export function unauthorized(): HttpProblem {
  return new HttpProblem(401, 'unauthorized', 'log in first');
}

/** What was shown lets nobody in; why, nobody learns. */
export function notLetIn(): HttpProblem {
  return new HttpProblem(401, 'not-let-in', 'that does not let you in');
}
