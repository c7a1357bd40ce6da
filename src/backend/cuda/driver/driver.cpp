#include "backend/cuda/driver/driver.h"

#include <dlfcn.h>

#include "base/error.h"

namespace halftone::cuda {
namespace {

// cuda.h renames functions by macros (cuMemAlloc is cuMemAlloc_v2): spell the symbol after they were
// expanded.
#define HALFTONE_SPELLED(symbol) #symbol
#define HALFTONE_SYMBOL_NAME(symbol) HALFTONE_SPELLED(symbol)

Driver load() {
  Driver driver;
  void* library = ::dlopen("libcuda.so.1", RTLD_NOW);
  if (!library) {
    driver.trouble = "no NVIDIA driver found (libcuda.so.1)";
    return driver;
  }
#define HALFTONE_DRIVER_FUNCTION(name, symbol)                                                           \
  driver.name = reinterpret_cast<decltype(driver.name)>(::dlsym(library, HALFTONE_SYMBOL_NAME(symbol))); \
  if (!driver.name && driver.trouble.empty())                                                            \
    driver.trouble = "the NVIDIA driver is too old: it lacks " HALFTONE_SYMBOL_NAME(symbol);
#include "backend/cuda/driver/functions.inc"
#undef HALFTONE_DRIVER_FUNCTION
  if (!driver.trouble.empty()) return driver;
  if (const CUresult result = driver.init(0); result != CUDA_SUCCESS) {
    const char* text = nullptr;
    driver.error_text(result, &text);
    driver.trouble = fmt::format("the NVIDIA driver does not start: {}", text ? text : "unknown error");
  }
  return driver;
}

}  // namespace

const Driver& Driver::get() {
  static const Driver driver = load();
  return driver;
}

void Driver::check(CUresult result, const char* what) const {
  if (result == CUDA_SUCCESS) return;
  const char* text = nullptr;
  error_text(result, &text);
  if (result == CUDA_ERROR_OUT_OF_MEMORY)
    throw ResourceError("GPU: {}: {}", what, text ? text : "out of memory");
  throw UnsupportedError("GPU: {}: {} (error {})", what, text ? text : "unknown error",
                         static_cast<int>(result));
}

}  // namespace halftone::cuda
