/** The type of an event in words, such as "room queued". */
export function eventWords(type: string): string {
  return type.toLowerCase().replaceAll("_", " ");
}
