import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = "http://127.0.0.1:8000";

export default defineConfig({
  // The server replaces "./" in the pages by its base path; scripts find each other relative to themselves.
  base: "./",
  plugins: [react()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 5_000,
    rollupOptions: { input: ["index.html", "graphiql.html", "chat.html"] },
  },
  worker: { format: "es" },
  // For `npm run dev`: the API is that of a server that runs beside it.
  server: { proxy: { "/graphql": { target: server, ws: true }, "/chat/session": { target: server } } },
});
