#pragma once

#include "core/tensor.h"
#include "halftone/error.h"
#include "halftone/tensor.h"

namespace halftone::sdk {

DType to_dtype(Type type);
/// Throws Error (unsupported) for a state, which is no tensor.
Type from_dtype(DType dtype);

/// Symbolic dimensions are negative on both sides.
::halftone::Shape to_shape(const Shape& shape);
Shape from_shape(const ::halftone::Shape& shape);

/// Rethrows the current exception as an Error.
[[noreturn]] void throw_as_public();

/// The library's errors leave as the embedder's: every public function runs inside.
template <class F>
auto guarded(F function) -> decltype(function()) {
  try {
    return function();
  } catch (const Error&) {
    throw;
  } catch (...) {
    throw_as_public();
  }
}
}  // namespace halftone::sdk
