/** One request as the generated client describes it. */
export interface Call {
  method: string;
  path: string;
  query?: Record<string, unknown>;
  body?: unknown;
  /** True when the answer is not JSON; the caller gets the `Response`. */
  binary?: boolean;
}

export interface Options {
  signal?: AbortSignal;
}

/** What went wrong with a request, in words for people. `status` is 0 when the server could not be reached. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly details = '',
    readonly code = '',
    readonly requestId = '',
  ) {
    super(message);
    this.name = 'ApiError';
  }

  get offline(): boolean {
    return this.status === 0;
  }
}

/** Returns the value of a cookie, or an empty string. */
export function cookie(name: string): string {
  const found = document.cookie.split('; ').find((pair) => pair.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : '';
}

/** Returns the address of a call: path and query, arrays joined by commas, absent values left out. */
export function address(path: string, query: Record<string, unknown> = {}): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === '') continue;
    const text = Array.isArray(value) ? value.join(',') : String(value);
    parts.push(`${encodeURIComponent(name)}=${encodeURIComponent(text)}`);
  }
  return parts.length > 0 ? `${path}?${parts.join('&')}` : path;
}

/** Sends a call with the session cookie. Errors: `ApiError`, or the signal's reason when it was cancelled. */
export async function request<T>(call: Call, options: Options = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: call.binary ? '*/*' : 'application/json' };
  if (call.method !== 'GET') headers['X-CSRFToken'] = cookie('csrftoken');
  if (call.body !== undefined) headers['Content-Type'] = 'application/json';
  const response = await send(address(call.path, call.query), {
    method: call.method,
    headers,
    credentials: 'same-origin',
    body: call.body === undefined ? undefined : JSON.stringify(call.body),
    signal: options.signal,
  });
  if (!response.ok) throw await errorFrom(response);
  return (call.binary ? response : await response.json()) as T;
}

/** Posts form fields, as the sign-in page of the server expects them. */
export async function postForm(path: string, fields: Record<string, string>): Promise<void> {
  const response = await send(path, {
    method: 'POST',
    headers: { 'X-CSRFToken': cookie('csrftoken'), Accept: 'application/json' },
    credentials: 'same-origin',
    body: new URLSearchParams(fields),
  });
  if (!response.ok) throw await errorFrom(response);
}

async function send(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, 'The server does not answer. Is Transect running?');
  }
}

async function errorFrom(response: Response): Promise<ApiError> {
  let body: { message?: string; details?: string; code?: string; request_id?: string } = {};
  try {
    body = await response.json();
  } catch {
    // Not JSON: the status alone has to do.
  }
  const message = body.message ?? `The server answered ${response.status} ${response.statusText}`.trim();
  return new ApiError(response.status, message, body.details ?? '', body.code ?? '', body.request_id ?? '');
}
