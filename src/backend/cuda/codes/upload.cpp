#include "backend/cuda/codes/upload.h"

namespace halftone::cuda {

const void* Uploads::add_bytes(std::span<const std::byte> packed, std::string_view what) {
  held_.push_back(device_.allocate(packed.size(), what));
  device_.upload(held_.back().get(), packed.data(), packed.size());
  bytes_ += packed.size();
  return held_.back().get();
}

DeviceActivation device_activation(const FusedActivation& activation) {
  static_assert(static_cast<int>(FusedActivation::Kind::gelu_tanh) == DeviceActivation::gelu_tanh);
  return {static_cast<int32_t>(activation.kind), activation.a, activation.b};
}

DeviceCodes device_codes(const CodeScale& codes) {
  return {codes.scale, codes.zero};
}

DeviceRequantizer upload_requantizer(const Requantizer& requantizer, Uploads& uploads) {
  const auto fixed = [&](const std::vector<FixedMultiplier>& multipliers) {
    std::vector<DeviceMultiplier> plain;
    for (const FixedMultiplier& m : multipliers) plain.push_back({m.mantissa, m.shift});
    return uploads.add(plain, "multipliers");
  };
  DeviceRequantizer on_device{};
  on_device.multipliers = uploads.add(requantizer.multipliers(), "multipliers");
  on_device.below = uploads.add(requantizer.below(), "multipliers");
  on_device.gains = uploads.add(requantizer.gains(), "gains");
  on_device.gate = kGatePolynomials[static_cast<size_t>(requantizer.gate())];
  if (requantizer.fixed()) {
    on_device.fixed = fixed(requantizer.fixed_multipliers());
    on_device.fixed_below = fixed(requantizer.fixed_below());
  }
  if (const uint8_t* table = requantizer.table())
    on_device.table = uploads.add(std::vector<uint8_t>(table, table + 256), "an activation's table");
  on_device.zero = requantizer.zero();
  on_device.lowest = requantizer.lowest();
  on_device.highest = requantizer.highest();
  on_device.activation = device_activation(requantizer.float_activation());
  return on_device;
}

}  // namespace halftone::cuda
