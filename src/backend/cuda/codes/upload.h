#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "backend/cuda/codes/code_math.h"
#include "ops/requantizer.h"

namespace halftone::cuda {

/// What a kernel keeps in device memory: freed with it.
class Uploads {
 public:
  explicit Uploads(Device& device) : device_(device) {}

  template <class T>
  const T* add(const std::vector<T>& values, std::string_view what) {
    if (values.empty()) return nullptr;
    return static_cast<const T*>(add_bytes(std::as_bytes(std::span(values)), what));
  }
  size_t bytes() const { return bytes_; }

 private:
  const void* add_bytes(std::span<const std::byte> packed, std::string_view what);

  Device& device_;
  std::vector<std::shared_ptr<std::byte>> held_;
  size_t bytes_ = 0;
};

DeviceActivation device_activation(const FusedActivation& activation);
DeviceCodes device_codes(const CodeScale& codes);
DeviceRequantizer upload_requantizer(const Requantizer& requantizer, Uploads& uploads);

}  // namespace halftone::cuda
