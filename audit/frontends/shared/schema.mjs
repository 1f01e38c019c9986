// Reads the schema from a server: node schema.mjs [URL]. Writes schema.graphql and src/schemaTypes.ts.
import { writeFileSync } from "node:fs";
import { buildClientSchema, getIntrospectionQuery, isAbstractType, isObjectType, printSchema } from "graphql";

const url = process.argv[2] ?? "http://localhost:8000/graphql";
const response = await fetch(url, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ query: getIntrospectionQuery({ oneOf: true, specifiedByUrl: true }) }),
});
const { data } = await response.json();
const schema = buildClientSchema(data);

const names = (types) => types.map(({ name }) => name).sort();
const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith("__"));
const possibleTypes = Object.fromEntries(
  types.filter(isAbstractType).map((type) => [type.name, names(schema.getPossibleTypes(type))]),
);
const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
const isValue = (type) => isObjectType(type) && !roots.includes(type) && !possibleTypes.Node.includes(type.name);

writeFileSync("schema.graphql", `${printSchema(schema)}\n`);
writeFileSync(
  "src/schemaTypes.ts",
  `/** The types of every interface. Those of Node are the entities. */
export const possibleTypes: Record<string, string[]> = ${JSON.stringify(possibleTypes, null, 2)};

/** The types of objects that are part of others, and are no entities. */
export const valueTypes: string[] = ${JSON.stringify(names(types.filter(isValue)), null, 2)};
`,
);
