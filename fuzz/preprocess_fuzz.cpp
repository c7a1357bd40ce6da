#include <string_view>

#include "base/error.h"
#include "base/thread_pool.h"
#include "vision/preprocess/find_preprocess.h"
#include "vision/preprocess/preprocess.h"

namespace {

using namespace halftone;

constexpr int64_t kMostPixels = 1 << 16;

/// Prepares a wide picture and a high one, where they stay small.
void prepare(const Preprocess& preprocess) {
  static ThreadPool threads(1);
  if (int64_t{preprocess.height} * preprocess.width > kMostPixels || preprocess.shorter_side > 128) return;
  for (const Image& picture : {Image(7, 5, 3), Image(1, 4, 200)}) {
    const Image fitted = fit_image(picture, preprocess, "fuzz", threads).image;
    std::vector<float> out(static_cast<size_t>(preprocess.channel_count()) * fitted.pixels.size() / 3);
    normalize_pixels(fitted, preprocess, out);
  }
}

}  // namespace

/// Any text says how pictures are prepared, as a sidecar or as transformers' preprocessor_config.json, or is
/// an error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    Json json = parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (json.is_object() && (json.contains("do_resize") || json.contains("image_mean")))
      json = preprocess_from_hf(json, "fuzz");
    prepare(parse_preprocess(json, "fuzz"));
  } catch (const Error&) {
  }
  return 0;
}
