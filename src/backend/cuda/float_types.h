#pragma once

#include "backend/cuda/device/floats.h"
#include "backend/cuda/launch.h"
#include "backend/kernel.h"

namespace halftone::cuda {

/// How kernels name f32, f16 and bf16.
inline FloatType float_type(DType dtype) {
  return dtype == DType::f16 ? FloatType::half : dtype == DType::bf16 ? FloatType::brain : FloatType::f32;
}

inline Floats floats_of(const Operand& operand) {
  return {operand.present ? operand.tensor.data : nullptr, float_type(operand.tensor.dtype)};
}
inline FloatsOut floats_of(const MutableTensorView& view) {
  return {view.data, float_type(view.dtype)};
}

/// The kernel of that type among those that a template makes.
template <class Args>
const DeviceKernel<Args>& of_type(DType dtype, const DeviceKernel<Args>& single,
                                  const DeviceKernel<Args>& half, const DeviceKernel<Args>& brain) {
  return dtype == DType::f16 ? half : dtype == DType::bf16 ? brain : single;
}

/// Empty when the first `inputs` inputs and every output are of one type, f32, f16 or bf16, and none of them
/// has an encoding; otherwise which is not.
Refusal not_one_float(const OpSite& site, size_t inputs);

}  // namespace halftone::cuda
