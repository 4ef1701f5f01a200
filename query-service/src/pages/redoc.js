Redoc.init(
  "/openapi.json",
  { hideDownloadButton: true, scrollYOffset: "nav", expandResponses: "200,201", jsonSampleExpandLevel: 3 },
  document.getElementById("redoc"),
);
