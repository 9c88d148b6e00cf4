/** Verifies claims off the main thread: posts back {id, result} for each {id, request}; see verifyClaim. */
import { verifyClaim } from "./verify.js";

self.onmessage = (event) => {
  const { id, request } = event.data;
  let result;
  try {
    result = verifyClaim(request);
  } catch (error) {
    result = { accepted: false, proven: false, check: "error", reason: String(error && error.message) };
  }
  self.postMessage({ id, result });
};
