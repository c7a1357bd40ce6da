#include <span>

#include "base/error.h"
#include "vision/image/image_file.h"

/// Any bytes are a picture or an error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    halftone::decode_image(std::as_bytes(std::span(data, size)), "fuzz", int64_t{1} << 20);
  } catch (const halftone::Error&) {
  }
  return 0;
}
