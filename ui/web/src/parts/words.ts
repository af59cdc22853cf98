/** Returns a message of the server as a sentence begins. */
export function sentence(message: string | null | undefined): string {
  return message ? message.charAt(0).toUpperCase() + message.slice(1) : '';
}
