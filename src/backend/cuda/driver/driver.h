#pragma once

#include <cuda.h>
#include <string>

namespace halftone::cuda {

/// The functions of NVIDIA's driver that Halftone calls, found in libcuda.so.1 when first asked for, so that
/// the program starts where there is no driver.
struct Driver {
#define HALFTONE_DRIVER_FUNCTION(name, symbol) decltype(&::symbol) name = nullptr;
#include "backend/cuda/driver/functions.inc"
#undef HALFTONE_DRIVER_FUNCTION

  /// Empty when all of it is here and started; otherwise what is missing.
  std::string trouble;

  static const Driver& get();

  /// Throws ResourceError (out of memory) or UnsupportedError "WHAT: the driver's own words" unless `result`
  /// is success.
  void check(CUresult result, const char* what) const;
};

}  // namespace halftone::cuda
