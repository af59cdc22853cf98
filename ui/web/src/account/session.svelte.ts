import { type User, whoami } from '../api/client';
import { ApiError, postForm } from '../api/transport';
import { sentence } from '../parts/words';

let user = $state.raw<User | null | undefined>(undefined);
let trouble = $state.raw<ApiError | null>(null);

/** Who is signed in. `user` is undefined until known, null when nobody is. */
export const session = {
  get user(): User | null | undefined {
    return user;
  },
  get trouble(): ApiError | null {
    return trouble;
  },
};

/** Asks the server who is signed in; that also sets the cookie that guards against forged requests. */
export async function loadSession(): Promise<void> {
  try {
    const response = await fetch('/check-login/', { credentials: 'same-origin' });
    const { is_authenticated } = (await response.json()) as { is_authenticated: boolean };
    user = is_authenticated ? await whoami() : null;
    trouble = null;
  } catch (error) {
    trouble = error instanceof ApiError ? error : new ApiError(0, 'The server does not answer. Is Transect running?');
  }
}

/** Errors: `ApiError` with the reason in words. */
export async function signIn(username: string, password: string): Promise<void> {
  await fetch('/check-login/', { credentials: 'same-origin' });
  await postForm('/accounts/login/', { username, password });
  user = await whoami();
  trouble = null;
}

export async function signOut(): Promise<void> {
  await postForm('/accounts/logout/', {});
  user = null;
}

/** Call with the error of any request: when the session has ended, the page goes to sign-in. Returns the error's words. */
export function explain(error: unknown): string {
  if (error instanceof ApiError && error.status === 403) void endIfSignedOut();
  return error instanceof Error ? sentence(error.message) : String(error);
}

async function endIfSignedOut(): Promise<void> {
  try {
    const response = await fetch('/check-login/', { credentials: 'same-origin' });
    const { is_authenticated } = (await response.json()) as { is_authenticated: boolean };
    if (!is_authenticated) user = null;
  } catch {
    // Not reachable: nothing is known about the session, so nothing changes.
  }
}
