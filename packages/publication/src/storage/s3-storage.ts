import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { PublicationError } from '../errors.ts';
import { TIMESTAMP_FILE } from '../layout.ts';
import type { Storage, StoredFile } from './storage.ts';

/** How often what may be cached by whoever stands between: what has a version or hash in its name never changes. */
const CACHE_CONTROL = { changing: 'no-cache', lasting: 'public, max-age=31536000, immutable' } as const;

/** Where an S3-compatible storage is. */
export interface S3Place {
  readonly bucket: string;
  /** What all names begin with, with a slash at its end; may be empty. */
  readonly prefix: string;
  /** Of a service other than Amazon's. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** Without these the SDK looks where it always does: environment, its own files. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

/**
 * Reads `s3://BUCKET[/PREFIX]`, with the endpoint of a service as `?endpoint=URL` and `&region=NAME`. Throws a `PublicationError`
 * (`malformed`). Keys never stand in it.
 */
export function parseS3Url(text: string): S3Place {
  const url = URL.parse(text);
  if (url === null || url.protocol !== 's3:' || url.host === '' || url.username !== '') {
    throw new PublicationError('malformed', 'not the URL of a bucket', {
      remedy:
        'It reads like s3://BUCKET/PREFIX?endpoint=https://HOST; keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    });
  }
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '');
  return {
    bucket: url.host,
    prefix: prefix === '' ? '' : `${prefix}/`,
    endpoint: url.searchParams.get('endpoint') ?? undefined,
    region: url.searchParams.get('region') ?? undefined,
  };
}

/** A storage in a bucket of an S3-compatible service. Dispose of it to let its connections go. */
export function createS3Storage(place: S3Place): Storage & Disposable {
  const { bucket, prefix, endpoint, region = 'us-east-1', credentials } = place;
  const client = new S3Client({
    region,
    // Services other than Amazon's seldom have a name for each bucket, and not all know the newer checksums.
    forcePathStyle: endpoint !== undefined,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
  });
  const at = (name: string) => ({ Bucket: bucket, Key: `${prefix}${name}` });
  return {
    read: (name) =>
      guarded(async () => {
        try {
          const { Body: body } = await client.send(new GetObjectCommand(at(name)));
          return body === undefined ? null : Buffer.from(await body.transformToByteArray());
        } catch (error) {
          if (error instanceof NoSuchKey) return null;
          throw error;
        }
      }),
    write: (name, bytes) =>
      guarded(async () => {
        const isChanging = name === TIMESTAMP_FILE;
        const type = name.endsWith('.json') ? 'application/json' : 'application/octet-stream';
        const cache = isChanging ? CACHE_CONTROL.changing : CACHE_CONTROL.lasting;
        await client.send(new PutObjectCommand({ ...at(name), Body: bytes, ContentType: type, CacheControl: cache }));
      }),
    list: (start) => guarded(() => listAll(client, { bucket, prefix, start })),
    remove: (name) =>
      guarded(async () => {
        await client.send(new DeleteObjectCommand(at(name)));
      }),
    [Symbol.dispose]: () => client.destroy(),
  };
}

async function listAll(
  client: S3Client,
  { bucket, prefix, start }: { bucket: string; prefix: string; start: string },
): Promise<StoredFile[]> {
  const files: StoredFile[] = [];
  let token: string | undefined;
  do {
    const page = {
      Bucket: bucket,
      Prefix: `${prefix}${start}`,
      ...(token === undefined ? {} : { ContinuationToken: token }),
    };
    const { Contents: contents = [], NextContinuationToken: next } = await client.send(new ListObjectsV2Command(page));
    for (const { Key: key = '', LastModified: written } of contents) {
      files.push({ name: key.slice(prefix.length), writtenMs: written?.getTime() ?? 0 });
    }
    token = next;
  } while (token !== undefined);
  return files;
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const name = cause instanceof Error ? cause.name : 'unknown';
    throw new PublicationError('storage', `the bucket does not do as it is asked: ${name}`, {
      cause,
      remedy: 'Look at its name, the endpoint, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they may do.',
    });
  }
}
