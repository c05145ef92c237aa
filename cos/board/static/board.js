// Says in words whether the page is live; everything else is attributes of htmx.
const connection = document.getElementById("connection");
const say = (state) => { connection.textContent = connection.dataset[state]; connection.className = state; };
document.addEventListener("htmx:sse:after:connection", () => say("live"));
for (const name of ["htmx:sse:error", "htmx:sse:close"]) document.addEventListener(name, () => say("lost"));
document.addEventListener("htmx:after:request", (event) => {
  const status = event.detail?.ctx?.response?.status;
  if (status >= 500) say("failing");
  else if (status && connection.className === "failing") say("live");
});
say("connecting");
