#include "formats/encoding_json.h"

#include <array>

#include "scheme/bf16/rounded_bf16.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

struct KindName {
  Granularity::Kind kind;
  std::string_view name;
};
constexpr std::array kKindNames = {
    KindName{Granularity::Kind::per_tensor, "per_tensor"}, KindName{Granularity::Kind::per_axis, "per_axis"},
    KindName{Granularity::Kind::per_group, "per_group"}, KindName{Granularity::Kind::per_token, "per_token"}};

Granularity granularity_from_json(const Json& json, const std::string& where) {
  const auto name = json_get<std::string>(json, "granularity", where);
  for (const KindName& known : kKindNames) {
    if (known.name != name) continue;
    Granularity granularity{known.kind};
    if (known.kind == Granularity::Kind::per_axis) {
      const auto axis = json_get<int64_t>(json, "axis", where);
      if (axis < 0 || axis >= Shape::kMaxRank)
        throw InputError("{}: key \"axis\": expected 0 to {}, found {}", where, Shape::kMaxRank - 1, axis);
      granularity.axis = static_cast<int>(axis);
    }
    if (known.kind == Granularity::Kind::per_group) {
      granularity.group = json_get<int64_t>(json, "group", where);
      if (granularity.group < 1 || granularity.group > (int64_t{1} << 32))
        throw InputError("{}: key \"group\": expected 1 to 2^32, found {}", where, granularity.group);
    }
    return granularity;
  }
  throw InputError(
      "{}: key \"granularity\": expected per_tensor, per_axis, per_group or per_token, found \"{}\"", where,
      name);
}

}  // namespace

OrderedJson encoding_to_json(const Encoding& encoding) {
  OrderedJson json;
  json["format"] = encoding.format->name();
  for (const KindName& known : kKindNames)
    if (known.kind == encoding.granularity.kind) json["granularity"] = known.name;
  if (encoding.granularity.kind == Granularity::Kind::per_axis) json["axis"] = encoding.granularity.axis;
  if (encoding.granularity.kind == Granularity::Kind::per_group) json["group"] = encoding.granularity.group;
  json["symmetric"] = encoding.symmetric;
  if (encoding.real_minimum) json["real_minimum"] = true;
  if (encoding.timing == Timing::dynamic) json["timing"] = "dynamic";
  json["scale_dtype"] = dtype_name(encoding.scale_dtype);
  if (encoding.double_quant_block != 0) json["double_quant_block"] = encoding.double_quant_block;
  return json;
}

Encoding encoding_from_json(const Json& json, const std::string& where) {
  Encoding encoding;
  const auto format = json_get<std::string>(json, "format", where);
  encoding.format = find_number_format(format);
  if (!encoding.format) throw InputError("{}: key \"format\": unknown number format \"{}\"", where, format);
  encoding.granularity = granularity_from_json(json, where);
  encoding.symmetric = json_get<bool>(json, "symmetric", where);
  encoding.real_minimum = json_get_or<bool>(json, "real_minimum", false, where);
  const auto timing = json_get_or<std::string>(json, "timing", "fixed", where);
  if (timing != "fixed" && timing != "dynamic")
    throw InputError("{}: key \"timing\": expected fixed or dynamic, found \"{}\"", where, timing);
  encoding.timing = timing == "fixed" ? Timing::fixed : Timing::dynamic;
  if (is_rounded_bf16(encoding) && encoding.timing == Timing::fixed)
    throw InputError("{}: key \"timing\": bf16 is an encoding of activations, dynamic", where);
  const auto scale_dtype = json_get<std::string>(json, "scale_dtype", where);
  const auto dtype = dtype_from_name(scale_dtype);
  if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16)
    throw InputError("{}: key \"scale_dtype\": expected f32, f16 or bf16, found \"{}\"", where, scale_dtype);
  encoding.scale_dtype = *dtype;
  encoding.double_quant_block = json_get_or<int64_t>(json, "double_quant_block", 0, where);
  if (encoding.double_quant_block < 0 || encoding.double_quant_block > (1 << 20))
    throw InputError("{}: key \"double_quant_block\": expected 0 to 2^20, found {}", where,
                     encoding.double_quant_block);
  if (encoding.real_minimum &&
      (!encoding.format->is_integer() || encoding.symmetric || encoding.double_quant_block))
    throw InputError("{}: a real minimum belongs to affine integers without double quantization", where);
  return encoding;
}

}  // namespace halftone
