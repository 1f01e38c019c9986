import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "schema.graphql",
  documents: "queries.graphql",
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        strictScalars: true,
        useTypeImports: true,
        scalars: {
          Cursor: "string",
          DateTime: "string",
          FieldValue: "string | number | boolean | string[]",
          JSON: "unknown",
          Long: "number",
        },
      },
    },
  },
};

export default config;
