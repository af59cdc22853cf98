import { session } from '../account/session.svelte';
import { createLocalizationList, deleteLocalization, updateLocalization } from '../api/client';
import { ApiError } from '../api/transport';
import { SaveQueue, type Sender, type Status } from './saveQueue';
import { specOf, updateOf } from './wire';

export const SIGNED_OUT = 'you are signed out';

/** What the answer to a change says of the revision that holds it. */
interface Row {
  id?: number;
  variant_deleted?: boolean;
}

class SendFailure extends Error {
  constructor(
    message: string,
    readonly retry: boolean,
  ) {
    super(message);
  }
}

/** Not reachable, busy, full or signed out: the edit itself is fine and goes out later. */
function failure(error: unknown): unknown {
  if (!(error instanceof ApiError)) return error;
  if (error.offline) return new SendFailure('the server does not answer', true);
  if (error.status === 507) return new SendFailure('the disk of the server is full', true);
  if (error.status >= 500 || error.status === 429) return new SendFailure(error.message, true);
  if (error.status === 401 || (error.status === 403 && /csrf|credentials|authenticat|sign|log/i.test(error.message))) {
    return new SendFailure(SIGNED_OUT, true);
  }
  return new SendFailure(error.message, false);
}

const sender: Sender = {
  async create(project, items) {
    try {
      const body = items.map(({ annotation, media }) => specOf(annotation, media));
      const { id } = await createLocalizationList({ project, body });
      return [id].flat().map(Number);
    } catch (error) {
      throw failure(error);
    }
  },
  async update(rowId, before, after) {
    const body = updateOf(before, after);
    if (!body) return rowId;
    try {
      const answer = (await updateLocalization({ id: rowId, body })) as { object?: Row };
      if (answer.object?.variant_deleted) {
        throw new SendFailure('somebody deleted it in the meantime: draw it again to keep it', false);
      }
      return answer.object?.id ?? rowId;
    } catch (error) {
      throw failure(error);
    }
  },
  async remove(rowId) {
    try {
      await deleteLocalization({ id: rowId, body: {} });
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return;
      throw failure(error);
    }
  },
};

const IDLE: Status = { waiting: 0, incomplete: 0, refused: 0, problem: null, unkept: false };
let queue: SaveQueue | undefined;
let owner: number | undefined;
let status = $state.raw<Status>(IDLE);

/** The unsaved edits of the person who is signed in, on all media. */
export const saving = {
  get status(): Status {
    return status;
  },
  get queue(): SaveQueue {
    const user = session.user;
    if (!user) throw new Error('nobody is signed in');
    if (!queue || owner !== user.id) {
      owner = user.id;
      queue = new SaveQueue(sender, localStorage, `transect.unsaved.${user.id}.`);
      queue.onchange(() => (status = queue?.status ?? IDLE));
      status = queue.status;
      queue.start();
    }
    return queue;
  },
};

addEventListener('online', () => queue?.retry());
addEventListener('beforeunload', (event) => {
  // Only when the browser could not keep them: otherwise nothing is lost by leaving.
  if (status.unkept && status.waiting + status.refused > 0) event.preventDefault();
});
