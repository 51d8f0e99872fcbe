// Airflow shows this page in a frame that knows neither its theme nor its language, and that cannot leave itself.
(() => {
  "use strict";
  let outside = null;
  try {
    if (window.parent !== window && window.parent.document) outside = window.parent;
  } catch { /* framed by somebody else: nothing of theirs is ours to read */ }

  const followTheme = () => {
    const root = outside.document.documentElement;
    const dark = root.classList.contains("dark") || root.dataset.theme === "dark";
    document.documentElement.dataset.theme = dark ? "dark" : "light";
  };
  if (outside) {
    followTheme();
    new MutationObserver(followTheme).observe(outside.document.documentElement, {
      attributes: true, attributeFilter: ["class", "data-theme"],
    });
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-airflow]");
    if (!link || !outside || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const door = outside.document.createElement("a");
    door.href = link.href;
    door.target = link.target;
    door.rel = link.rel;
    outside.document.body.append(door);
    door.click();
    door.remove();
  });
  for (const file of document.querySelectorAll("input[type=file][data-into]")) {
    file.addEventListener("change", async () => {
      if (!file.files.length) return;
      const bytes = await file.files[0].arrayBuffer();
      let text;
      try { text = new TextDecoder("utf-8", { fatal: true }).decode(bytes); }
      catch { text = new TextDecoder("gb18030").decode(bytes); } // as Excel saves it in China
      document.getElementById(file.dataset.into).value = text;
    });
  }
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.title = time.dateTime;
      time.textContent = at.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
    }
  }
})();
