#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "quant/recipe.h"

/// Any text is a recipe or an InputError.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    halftone::parse_recipe(std::string(reinterpret_cast<const char*>(data), size), "fuzz");
  } catch (const halftone::InputError&) {
  }
  return 0;
}
