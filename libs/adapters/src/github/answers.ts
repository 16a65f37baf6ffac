import { ServiceError, type ServiceHttp, type ServiceRequest, type ServiceResponse } from '@vane/kit';
import { z } from 'zod';

const HEADERS = { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' };

/** A call to the REST API, in the version this folder was written for (https://docs.github.com/en/rest/about-the-rest-api/api-versions). */
export function request(http: ServiceHttp, wanted: Omit<ServiceRequest, 'host'>): Promise<ServiceResponse> {
  return http.request({ ...wanted, host: 'api', headers: HEADERS });
}

/** Whether the Link header names a next page, or, where a server sends none, whether the page was full. */
export function hasNextPage(answer: ServiceResponse, items: number, size: number): boolean {
  const { link } = answer.headers;
  return link === undefined ? items >= size : /rel="next"/.test(link);
}

export const hooksOf = (resource: string): string => `/repos/${resource}/hooks`;
export const hookPath = (resource: string, externalId: string): string => `${hooksOf(resource)}/${encodeURIComponent(externalId)}`;

export const user = z.object({ id: z.union([z.int(), z.string()]), login: z.string() });

export const hook = z.object({
  id: z.union([z.int(), z.string()]),
  active: z.boolean(),
  events: z.array(z.string()),
  // Hooks of the retired GitHub Services have other members, and no URL.
  config: z.object({ url: z.string(), content_type: z.string(), insecure_ssl: z.union([z.string(), z.number()]) }).partial(),
});

export const repositories = z.array(
  z.object({
    full_name: z.string(),
    private: z.boolean(),
    description: z.string().nullish(),
    permissions: z.object({ admin: z.boolean() }).optional(),
  }),
);

/** @throws ServiceError `garbage` when the answer is not `what`. */
export function readAs<Shape extends z.ZodType>(shape: Shape, json: unknown, what: string): z.output<Shape> {
  const read = shape.safeParse(json);
  if (read.success) return read.data;
  throw new ServiceError('garbage', `GitHub answered something that is not ${what}; it will be tried again.`);
}

const failure = z.object({
  message: z.string(),
  errors: z
    .array(z.union([z.string(), z.object({ message: z.string(), field: z.string(), code: z.string() }).partial()]))
    .optional()
    .catch(undefined),
});

/** GitHub's message and what it says of each field (https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api). */
export function errorMessage(json: unknown): string | undefined {
  const read = failure.safeParse(json);
  if (!read.success) return undefined;
  const details = (read.data.errors ?? []).map((error) =>
    typeof error === 'string' ? error : (error.message ?? [error.field, error.code].filter(Boolean).join(' ')),
  );
  return [read.data.message, ...new Set(details)].filter((part) => part !== '').join(': ');
}
