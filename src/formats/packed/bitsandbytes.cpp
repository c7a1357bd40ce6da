// bitsandbytes NF4: weight u8 [out * in / 2, 1], the first code of a byte in its high half, blocks of 64
// along the rows; absmax f32, or u8 codes under double quantization with nested_absmax, nested_quant_map and
// an offset in quant_state (JSON in a u8 tensor).

#include <cmath>

#include "base/checked.h"
#include "base/error.h"
#include "base/json.h"
#include "formats/packed/packed_constant.h"
#include "formats/packed/packed_formats.h"
#include "scheme/double_quant/double_quant.h"

namespace halftone {
namespace {

constexpr const char* kState = ".weight.quant_state.bitsandbytes__nf4";

Json state_of(const Checkpoint& checkpoint, const std::string& module, const std::string& where) {
  const Tensor bytes = checkpoint.constant(module + kState).load();
  if (bytes.dtype() != DType::u8) throw InputError("{}: quant_state: expected u8", where);
  const auto text = bytes.span<uint8_t>();
  return parse_json({reinterpret_cast<const char*>(text.data()), text.size()}, where + ": quant_state");
}

/// Code books differ in their last bits between versions of bitsandbytes.
void check_codebook(const Checkpoint& checkpoint, const std::string& module, std::string_view suffix,
                    std::span<const float> expected, const std::string& where) {
  const Tensor map =
      layer_part(checkpoint, module, suffix, {static_cast<int64_t>(expected.size())}, {DType::f32}).load();
  for (size_t i = 0; i < expected.size(); ++i)
    if (!(std::abs(map.span<float>()[i] - expected[i]) <= 1e-5f))
      throw UnsupportedError("{}: {}: entry {} is {}, expected {}", where, suffix.substr(1), i,
                             map.span<float>()[i], expected[i]);
}

std::vector<float> nf4_codebook() {
  std::vector<uint8_t> codes(16);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i);
  std::vector<float> values(16);
  CodeParams params;
  params.scale = 1;
  find_number_format("nf4")->decode(codes, params, values);
  return values;
}

PackedLayer read(const Checkpoint& checkpoint, const std::string& module, const Json&) {
  const std::string where = fmt::format("{}: layer \"{}\"", checkpoint.path.string(), module);
  const Json state = state_of(checkpoint, module, where);
  const auto dims = json_get<std::vector<int64_t>>(state, "shape", where);
  const auto block = json_get<int64_t>(state, "blocksize", where);
  if (dims.size() != 2 || dims[0] < 1 || dims[1] < 1 || !checked_mul(dims[0], dims[1]))
    throw InputError("{}: quant_state: shape: expected two sizes", where);
  const Shape shape{dims[0], dims[1]};
  if (block < 1 || shape[1] % block != 0 || shape[1] % 2 != 0)
    throw UnsupportedError("{}: blocks of {} run over the ends of rows of {}", where, block, shape[1]);
  check_codebook(checkpoint, module, ".weight.quant_map", nf4_codebook(), where);

  const int64_t blocks = shape.elements() / block;
  const bool nested = checkpoint.contains(module + ".weight.nested_absmax");
  const Constant packed = layer_part(checkpoint, module, ".weight", {shape.elements() / 2, 1}, {DType::u8});
  const Constant absmax =
      layer_part(checkpoint, module, ".weight.absmax", {blocks}, {nested ? DType::u8 : DType::f32});
  Encoding encoding;
  encoding.format = find_number_format("nf4");
  encoding.granularity = Granularity::per_group(block);
  encoding.scale_dtype = DType::f32;
  std::optional<Constant> nested_absmax;
  float offset = 0;
  if (nested) {
    encoding.double_quant_block = json_get<int64_t>(state, "nested_blocksize", where);
    offset = json_get<float>(state, "nested_offset", where);
    if (encoding.double_quant_block < 1) throw InputError("{}: quant_state: nested_blocksize", where);
    check_codebook(checkpoint, module, ".weight.nested_quant_map", dynamic_codebook(), where);
    nested_absmax = layer_part(checkpoint, module, ".weight.nested_absmax",
                               {ceil_div(blocks, encoding.double_quant_block)}, {DType::f32});
  }
  auto unpack = [=] {
    QuantizedTensor::Parts parts;
    parts.encoding = encoding;
    parts.shape = shape;
    const Tensor stored = packed.load();
    parts.codes = Tensor::allocate(DType::u8, {shape[0], shape[1] / 2});
    const auto from = stored.span<uint8_t>();
    const auto to = parts.codes.mutable_view().span<uint8_t>();
    for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<uint8_t>(from[i] >> 4 | from[i] << 4);
    if (nested)
      parts.nested = {absmax.load(), nested_absmax->load(), offset};
    else
      parts.scales = absmax.load().reshaped({shape[0], shape[1] / block});
    return parts;
  };
  return {packed_constant(shape, encoding, unpack, where)};
}

}  // namespace

const PackedReader bitsandbytes_reader{
    "bitsandbytes",
    ".weight",
    kState,
    {kState, ".weight.absmax", ".weight.quant_map", ".weight.nested_absmax", ".weight.nested_quant_map"},
    read};

}  // namespace halftone
