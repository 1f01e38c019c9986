/** Where somebody was in a list, to come back to it. */
export interface Place {
  roomId: string | null;
  offset: number;
}

const KEPT = 50;
const places = new Map<string, Place>();

export function rememberPlace(list: string, place: Place): void {
  places.delete(list);
  places.set(list, place);
  for (const name of [...places.keys()].slice(0, -KEPT)) places.delete(name);
}

export function placeOf(list: string): Place | undefined {
  return places.get(list);
}

let latest = "";

/** The part of the link of the list that was open last: its filter, order and columns. */
export function lastList(): string {
  return latest;
}

export function rememberList(search: string): void {
  latest = search;
}
