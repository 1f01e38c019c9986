import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./chat.css";
import { ChatPage } from "./ChatPage";

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <ChatPage />
  </StrictMode>,
);
