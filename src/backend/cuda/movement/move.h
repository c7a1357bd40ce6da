#pragma once

#include <vector>

#include "backend/cuda/codes/upload.h"
#include "backend/cuda/movement/move_kernels.h"
#include "backend/kernel.h"

namespace halftone::cuda {

/// How elements change between two storages of one value, prepared for the device.
class ElementConversion {
 public:
  ElementConversion(DType dtype, const Storage& from, const Storage& to, Uploads& uploads);
  /// Into the arguments of either kernel.
  template <class Args>
  void fill(Args& args) const {
    args.conversion = kind_;
    args.codes = table_;
    args.scale = scale_;
    args.word_bytes = bytes_;
  }

 private:
  Conversion kind_ = Conversion::none;
  const uint8_t* table_ = nullptr;
  DeviceCodes scale_{};
  int32_t bytes_;  ///< of an element as it is read
};

/// Axes of one move; those of one index are left out, neighbours along which both sides go on evenly are one.
class Move {
 public:
  /// Outermost first.
  void add(const MoveAxis& axis);
  void add(int64_t extent, int64_t to_step, int64_t from_step) {
    add({to_step, from_step, nullptr, static_cast<uint32_t>(extent), 0, static_cast<int32_t>(extent)});
  }
  /// From and to are the first elements.
  void launch(Device& device, const ElementConversion& conversion, const std::byte* from, std::byte* to,
              const Words4& missing = {}) const;

 private:
  bool turns(int32_t word_bytes) const;
  std::vector<MoveAxis> axes_;
};

/// Why values of this site cannot be moved; empty when they can: the same type, not encoded but as storages
/// are, at most 2^31 elements, and few enough axes.
Refusal move_refusal(const OpSite& site, size_t inputs);

}  // namespace halftone::cuda
