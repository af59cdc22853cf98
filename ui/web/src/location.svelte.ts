import { type Route, routeOf } from './routes';

let current = $state.raw<Route>(routeOf(location.pathname, location.search));

/** Where the page is. The address bar is the truth; this follows it. */
export const here = {
  get route(): Route {
    return current;
  },
};

function read(): void {
  current = routeOf(location.pathname, location.search);
}

/** Goes to another address, as a click on a link would. */
export function go(path: string): void {
  history.pushState(null, '', path);
  read();
}

/** Notes state in the address without a step in the browser's history. Does not make the page load anything. */
export function note(path: string): void {
  if (path !== location.pathname + location.search) history.replaceState(null, '', path);
}

/** Like `note`, and the page follows. */
export function replace(path: string): void {
  note(path);
  read();
}

addEventListener('popstate', read);

/** Turns clicks on links of this site into steps of the page. */
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest?.('a[href]');
  if (!(link instanceof HTMLAnchorElement) || link.target || link.origin !== location.origin || link.hasAttribute('download')) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
