/** What a custom field holds. */
export type FieldValue = string | number | boolean | readonly string[];
