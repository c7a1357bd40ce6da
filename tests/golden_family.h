#pragma once

#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "npy.h"
#include "shared_files.h"

namespace halftone {

/// A case of src/models/testdata: a small model whose weights tools/goldens/families.py describes, and the
/// logits that transformers gave for some tokens.
struct GoldenFamily {
  Checkpoint checkpoint;
  std::vector<int64_t> ids;
  int64_t context = 0;
  Tensor logits;  ///< f32 [tokens, vocab]
};

inline uint64_t splitmix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

inline uint64_t fnv1a64(std::string_view text) {
  uint64_t state = 0xCBF29CE484222325u;
  for (unsigned char byte : text) state = (state ^ byte) * 0x100000001B3u;
  return state;
}

/// The tensor that the script's formula gives for this name.
inline Tensor golden_tensor(std::string_view name, const Shape& shape, double centre, double amplitude) {
  Tensor tensor = Tensor::allocate(DType::f32, shape);
  const uint64_t seed = fnv1a64(name);
  uint64_t i = 0;
  for (float& value : tensor.mutable_view().span<float>()) {
    const double uniform = static_cast<double>(splitmix64(seed + i++) >> 40) / 0x1p24;
    value = static_cast<float>(centre + amplitude * (2 * uniform - 1));
  }
  return tensor;
}

/// The same numbers, rounded to `dtype`.
inline Tensor rounded(const Tensor& tensor, DType dtype) {
  Tensor result = Tensor::allocate(dtype, tensor.shape());
  store_floats(tensor.span<float>(), result.mutable_view(), 0);
  return result;
}

inline GoldenFamily load_golden_family(const std::string& name) {
  const fs::path folder = source_path("src/models/testdata") / name;
  const Json golden = read_json(folder / "golden.json");
  GoldenFamily family;
  family.checkpoint.path = folder;
  family.checkpoint.config = read_json(folder / "config.json");
  for (const auto& [tensor, spec] : golden["tensors"].items()) {
    const auto dims = spec["shape"].get<std::vector<int64_t>>();
    family.checkpoint.add(tensor,
                          Constant(golden_tensor(tensor, Shape(dims), spec["centre"], spec["amplitude"])));
  }
  family.ids = golden["ids"].get<std::vector<int64_t>>();
  family.context = golden["context"];
  family.logits = read_npy(folder / "logits.npy");
  return family;
}

}  // namespace halftone
