// compressed-tensors (llm-compressor, vLLM). pack-quantized: weight_packed i32 [out, in * bits / 32], codes
// in a stream along each row, code = value + 2^(bits-1); weight_scale [out, groups]; weight_zero_point i32
// [out * bits / 32, groups], a stream down each column; weight_g_idx [in]; weight_shape [2]. int-quantized:
// weight i8 [out, in]. float-quantized: weight fp8 e4m3 [out, in].

#include <algorithm>

#include "base/checked.h"
#include "base/error.h"
#include "base/json.h"
#include "formats/packed/packed_bits.h"
#include "formats/packed/packed_constant.h"
#include "formats/packed/packed_formats.h"

namespace halftone {
namespace {

constexpr std::string_view kFp8 = "fp8_e4m3";
constexpr std::initializer_list<DType> kScaleTypes = {DType::f16, DType::bf16, DType::f32};

/// The `weights` object of the first group: groups may differ in targets, but not in bits.
Json weight_settings(const Checkpoint& checkpoint, const Json& config) {
  const std::string where = checkpoint.path.string() + ": quantization_config";
  const Json groups = json_get<Json>(config, "config_groups", where);
  if (!groups.is_object() || groups.empty()) throw InputError("{}: config_groups: expected an object", where);
  std::optional<Json> weights;
  for (const auto& [name, group] : groups.items()) {
    const Json found = json_get<Json>(group, "weights", where + ": config_groups." + name);
    if (!found.is_object()) throw InputError("{}: config_groups.{}.weights: expected an object", where, name);
    if (weights && weights->value("num_bits", 0) != found.value("num_bits", 0))
      throw UnsupportedError("{}: config_groups of different num_bits", where);
    if (!weights) weights = found;
  }
  return *weights;
}

std::string layer_place(const Checkpoint& checkpoint, const std::string& module) {
  return fmt::format("{}: layer \"{}\"", checkpoint.path.string(), module);
}

/// Scales as [out, groups], whatever rank a scale for each output has.
struct Scales {
  Constant stored;
  int64_t groups;
};

Scales find_scales(const Checkpoint& checkpoint, const std::string& module, int64_t outputs) {
  const Constant& stored = checkpoint.constant(module + ".weight_scale");
  const Shape& shape = stored.shape();
  const bool fits = (shape.rank() == 2 && shape[0] == outputs && shape[1] >= 1) ||
                    (shape.rank() == 1 && (shape[0] == outputs || shape[0] == 1)) || shape.rank() == 0;
  if (!fits)
    throw UnsupportedError("{}: weight_scale is {}; Halftone reads one scale a tensor, an output or a group",
                           layer_place(checkpoint, module), shape.str());
  layer_part(checkpoint, module, ".weight_scale", shape, kScaleTypes);
  return {stored, shape.rank() == 2 ? shape[1] : 1};
}

Encoding scale_layout(Encoding encoding, const Scales& scales, int64_t outputs, int64_t inputs) {
  encoding.scale_dtype = scales.stored.dtype();
  if (scales.stored.shape().elements() == 1 && outputs != 1)
    encoding.granularity = Granularity::per_tensor();
  else if (scales.groups == 1)
    encoding.granularity = Granularity::per_axis(0);
  else
    encoding.granularity = Granularity::per_group(ceil_div(inputs, scales.groups));
  return encoding;
}

Tensor as_grid(const Tensor& tensor, const Encoding& encoding, const Shape& shape) {
  const ScaleGrid grid = scale_grid(encoding.granularity, shape);
  return tensor.reshaped({grid.rows, grid.groups});
}

PackedLayer read_packed(const Checkpoint& checkpoint, const std::string& module, const Json& config) {
  const Json settings = weight_settings(checkpoint, config);
  const std::string where = layer_place(checkpoint, module);
  const auto bits = static_cast<int>(json_get<int64_t>(settings, "num_bits", where));
  if (bits != 4 && bits != 8)
    throw UnsupportedError("{}: pack-quantized with {} bits; Halftone reads 4 and 8", where, bits);
  const Tensor true_shape =
      layer_part(checkpoint, module, ".weight_shape", {2}, {DType::i64, DType::i32}).load();
  const auto dim = [&](size_t i) {
    return true_shape.dtype() == DType::i64 ? true_shape.span<int64_t>()[i] : true_shape.span<int32_t>()[i];
  };
  const Shape shape{dim(0), dim(1)};
  if (shape[0] < 1 || shape[1] < 1 || shape[0] > (int64_t{1} << 32) || shape[1] > (int64_t{1} << 32))
    throw InputError("{}: weight_shape says {}", where, shape.str());
  const int64_t words = ceil_div(shape[1] * bits, int64_t{32});
  const Constant packed = layer_part(checkpoint, module, ".weight_packed", {shape[0], words}, {DType::i32});
  const Scales scales = find_scales(checkpoint, module, shape[0]);
  Encoding encoding =
      scale_layout(integer_encoding(bits, 0, shape[1], true, DType::f16), scales, shape[0], shape[1]);
  std::optional<Constant> zeros;
  if (checkpoint.contains(module + ".weight_zero_point")) {
    zeros = layer_part(checkpoint, module, ".weight_zero_point",
                       {ceil_div(shape[0] * bits, int64_t{32}), scales.groups}, {DType::i32});
    encoding.symmetric = false;
  }
  PackedLayer layer;
  if (checkpoint.contains(module + ".weight_g_idx")) {
    const Tensor index = layer_part(checkpoint, module, ".weight_g_idx", {shape[1]}, {DType::i32}).load();
    layer.input_order = order_by_group(index.span<int32_t>(), ceil_div(shape[1], scales.groups), where);
  }
  auto unpack = [=, order = layer.input_order] {
    QuantizedTensor::Parts parts;
    parts.encoding = encoding;
    parts.shape = shape;
    const Tensor codes = packed.load();
    parts.codes = pack_rows(shape, bits, [&](int64_t output, std::span<uint8_t> row) {
      for (int64_t i = 0; i < shape[1]; ++i)
        row[static_cast<size_t>(i)] = stream_code(words_of(codes) + output * words, 1,
                                                  order.empty() ? i : order[static_cast<size_t>(i)], bits);
    });
    parts.scales = as_grid(scales.stored.load(), encoding, shape);
    if (zeros) {
      const Tensor stored = zeros->load();
      parts.zeros = Tensor::allocate(DType::u8, {shape[0], scales.groups});
      const auto to = parts.zeros.mutable_view().span<uint8_t>();
      for (int64_t o = 0; o < shape[0]; ++o)
        for (int64_t g = 0; g < scales.groups; ++g)
          to[static_cast<size_t>(o * scales.groups + g)] =
              stream_code(words_of(stored) + g, scales.groups, o, bits);
    }
    return parts;
  };
  layer.weight = packed_constant(shape, encoding, unpack, where);
  return layer;
}

/// int-quantized and float-quantized: one byte a weight.
PackedLayer read_plain(const Checkpoint& checkpoint, const std::string& module, const Json& config) {
  const std::string where = layer_place(checkpoint, module);
  const Constant stored = checkpoint.constant(module + ".weight");
  const Shape shape = stored.shape();
  if (shape.rank() != 2) throw InputError("{}: weight is {}, expected a matrix", where, shape.str());
  const bool integers = stored.dtype() == DType::i8;
  if (!integers && stored.dtype() != DType::u8)
    throw InputError("{}: weight: expected i8 or fp8, found {}", where, dtype_name(stored.dtype()));
  const Scales scales = find_scales(checkpoint, module, shape[0]);
  Encoding encoding = integer_encoding(8, 0, shape[1], true, DType::f16);
  if (!integers) encoding.format = find_number_format(kFp8);
  encoding = scale_layout(encoding, scales, shape[0], shape[1]);
  std::optional<Constant> zeros;
  if (integers && checkpoint.contains(module + ".weight_zero_point")) {
    zeros = layer_part(checkpoint, module, ".weight_zero_point", scales.stored.shape(), {DType::i8});
    encoding.symmetric = false;
  }
  const auto shifted = [](const Tensor& tensor) {  // -128..127 to codes 0..255
    Tensor codes = Tensor::allocate(DType::u8, tensor.shape());
    std::ranges::transform(tensor.span<int8_t>(), codes.mutable_view().span<uint8_t>().begin(),
                           [](int8_t x) { return static_cast<uint8_t>(x + 128); });
    return codes;
  };
  auto unpack = [=] {
    QuantizedTensor::Parts parts;
    parts.encoding = encoding;
    parts.shape = shape;
    const Tensor codes = stored.load();
    parts.codes = integers ? shifted(codes) : codes;
    parts.scales = as_grid(scales.stored.load(), encoding, shape);
    if (zeros) parts.zeros = as_grid(shifted(zeros->load()), encoding, shape);
    return parts;
  };
  return {packed_constant(shape, encoding, unpack, where)};
}

bool is_byte_integers(const Encoding& encoding) {
  return encoding.format->name() == "int8" && encoding.granularity.kind != Granularity::Kind::per_group;
}

bool is_fp8(const Encoding& encoding) {
  return encoding.format->name() == kFp8;
}

std::string refusal(const Encoding& encoding, const Shape& shape) {
  const std::string_view format = encoding.format->name();
  if ((format != "int4" && format != "int8" && format != kFp8) || encoding.real_minimum ||
      encoding.double_quant_block != 0)
    return "compressed-tensors is written with int4, int8 or fp8_e4m3, not " + encoding.str();
  if (is_fp8(encoding) && encoding.granularity.kind == Granularity::Kind::per_group)
    return "compressed-tensors has one scale a tensor or an output for fp8, not " + encoding.str();
  if (encoding.granularity.kind == Granularity::Kind::per_token ||
      (encoding.granularity.kind == Granularity::Kind::per_axis && encoding.granularity.axis != 0))
    return "compressed-tensors has one scale a tensor, an output or a group, not " + encoding.str();
  if (format == "int4" && encoding.granularity.kind == Granularity::Kind::per_tensor)
    return "compressed-tensors packs int4 with one scale an output or a group, not " + encoding.str();
  if (shape[1] % scale_grid(encoding.granularity, shape).group != 0)
    return fmt::format("{} inputs, which the group does not divide", shape[1]);
  return {};
}

std::vector<PlannedTensor> plan(const std::string& module, const Encoding& encoding, const Shape& shape) {
  const ScaleGrid grid = scale_grid(encoding.granularity, shape);
  const int64_t bits = encoding.format->bits();
  const Shape grid_shape =
      encoding.granularity.kind == Granularity::Kind::per_tensor ? Shape{1} : Shape{grid.rows, grid.groups};
  std::vector<PlannedTensor> tensors;
  if (is_fp8(encoding))
    return {{module + ".weight", DType::u8, shape, "F8_E4M3"},
            {module + ".weight_scale", encoding.scale_dtype, grid_shape}};
  if (is_byte_integers(encoding)) {
    tensors = {{module + ".weight", DType::i8, shape},
               {module + ".weight_scale", encoding.scale_dtype, grid_shape}};
    if (!encoding.symmetric) tensors.push_back({module + ".weight_zero_point", DType::i8, grid_shape});
    return tensors;
  }
  tensors = {{module + ".weight_packed", DType::i32, {shape[0], ceil_div(shape[1] * bits, int64_t{32})}},
             {module + ".weight_scale", encoding.scale_dtype, grid_shape},
             {module + ".weight_shape", DType::i64, {2}}};
  if (!encoding.symmetric)
    tensors.push_back(
        {module + ".weight_zero_point", DType::i32, {ceil_div(shape[0] * bits, int64_t{32}), grid.groups}});
  return tensors;
}

Tensor signed_bytes(std::span<const uint8_t> codes, const Shape& shape) {
  Tensor bytes = Tensor::allocate(DType::i8, shape);
  std::ranges::transform(codes, bytes.mutable_view().span<int8_t>().begin(),
                         [](uint8_t code) { return static_cast<int8_t>(code - 128); });
  return bytes;
}

std::vector<Tensor> pack(const QuantizedTensor& weight) {
  const Encoding& encoding = weight.encoding();
  const Shape& shape = weight.shape();
  const std::vector<PlannedTensor> planned = plan("", encoding, shape);
  const Tensor scales = weight.parts().scales.reshaped(planned[1].shape);
  if (is_fp8(encoding)) return {weight.parts().codes.reshaped(shape), scales};
  if (is_byte_integers(encoding)) {
    std::vector<Tensor> tensors = {signed_bytes(weight.parts().codes.span<uint8_t>(), shape), scales};
    if (!encoding.symmetric)
      tensors.push_back(signed_bytes(weight.parts().zeros.span<uint8_t>(), planned[2].shape));
    return tensors;
  }
  const int bits = encoding.format->bits();
  Tensor packed = Tensor::zeros(DType::i32, planned[0].shape);
  std::vector<uint8_t> codes(static_cast<size_t>(shape[1]));
  for (int64_t o = 0; o < shape[0]; ++o) {
    weight.row_codes(o, codes);
    for (int64_t i = 0; i < shape[1]; ++i)
      put_stream_code(words_of(packed.mutable_view()) + o * planned[0].shape[1], 1, i, bits,
                      codes[static_cast<size_t>(i)]);
  }
  std::vector<Tensor> tensors = {packed, scales, Tensor::from<int64_t>({2}, {shape[0], shape[1]})};
  if (!encoding.symmetric) {
    const int64_t groups = weight.grid().groups;
    Tensor zeros = Tensor::zeros(DType::i32, planned[3].shape);
    std::vector<int32_t> row(static_cast<size_t>(groups));
    for (int64_t o = 0; o < shape[0]; ++o) {
      weight.row_zeros(o, row);
      for (int64_t g = 0; g < groups; ++g)
        put_stream_code(words_of(zeros.mutable_view()) + g, groups, o, bits,
                        static_cast<uint8_t>(row[static_cast<size_t>(g)]));
    }
    tensors.push_back(zeros);
  }
  return tensors;
}

OrderedJson config(const Encoding& encoding, const std::vector<std::string>& kept) {
  const Granularity& granularity = encoding.granularity;
  OrderedJson weights;
  weights["num_bits"] = encoding.format->bits();
  weights["type"] = is_fp8(encoding) ? "float" : "int";
  weights["symmetric"] = encoding.symmetric;
  weights["dynamic"] = false;
  weights["observer"] = "minmax";
  if (granularity.kind == Granularity::Kind::per_group) {
    weights["strategy"] = "group";
    weights["group_size"] = granularity.group;
  } else {
    weights["strategy"] = granularity.kind == Granularity::Kind::per_tensor ? "tensor" : "channel";
  }
  OrderedJson group;
  group["targets"] = {"Linear"};
  group["weights"] = weights;
  group["input_activations"] = nullptr;
  if (is_byte_integers(
          encoding))  // "int-quantized" means W8A8 to its readers, and that is how Halftone runs it
    group["input_activations"] = {{"num_bits", 8},       {"type", "int"},   {"symmetric", true},
                                  {"strategy", "token"}, {"dynamic", true}, {"observer", nullptr}};
  group["output_activations"] = nullptr;
  OrderedJson json;
  json["quant_method"] = "compressed-tensors";
  json["format"] = is_fp8(encoding)             ? "float-quantized"
                   : is_byte_integers(encoding) ? "int-quantized"
                                                : "pack-quantized";
  json["quantization_status"] = "compressed";
  json["config_groups"] = {{"group_0", group}};
  json["ignore"] = kept;
  json["kv_cache_scheme"] = nullptr;
  return json;
}

}  // namespace

const PackedReader compressed_tensors_pack_reader{
    "compressed-tensors",
    ".weight_packed",
    ".weight_scale",
    {".weight_scale", ".weight_shape", ".weight_zero_point", ".weight_g_idx"},
    read_packed};
const PackedReader compressed_tensors_plain_reader{
    "compressed-tensors",
    ".weight",
    ".weight_scale",
    {".weight_scale", ".weight_zero_point", ".input_scale", ".input_zero_point"},
    read_plain};
const PackedWriter compressed_tensors_writer{
    "compressed-tensors", "compressed-tensors (vLLM, transformers)", refusal, plan, pack, config};

}  // namespace halftone
