#include <cstddef>
#include <cstdint>

#include "models/test_checkpoint.h"

/// Any text is a configuration whose graph can be built, or an error of ours.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    halftone::llm_info(halftone::build_from_config({reinterpret_cast<const char*>(data), size}));
  } catch (const halftone::Error&) {
  }
  return 0;
}
