/** One HTTP request to the ingress, as received: header names in lower case, a repeated header as an array. */
export type RawRequest = {
  method: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  query: Readonly<Record<string, string>>;
  body: Uint8Array;
};

/** What ingress answers; the default acknowledgement is 200 with an empty body. */
export type Answer = {
  status: number;
  headers?: Record<string, string>;
  body?: string;
};

/** The value of a header that may occur once; an array means the sender repeated it. */
export function singleHeader(request: Pick<RawRequest, 'headers'>, name: string): string | undefined {
  const value = request.headers[name.toLowerCase()];
  return typeof value === 'string' ? value : undefined;
}
