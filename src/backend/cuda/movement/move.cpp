#include "backend/cuda/movement/move.h"

#include "backend/cuda/elementwise.h"

namespace halftone::cuda {

ElementConversion::ElementConversion(DType dtype, const Storage& from, const Storage& to, Uploads& uploads)
    : bytes_(static_cast<int32_t>(dtype_bytes(stored_dtype(dtype, from)))) {
  if (from.codes == to.codes) return;
  if (from.codes && to.codes) {
    std::vector<uint8_t> table;
    for (int code = 0; code < 256; ++code)
      table.push_back(
          encode_activation(decode_activation(static_cast<uint8_t>(code), *from.codes), *to.codes));
    kind_ = Conversion::recode;
    table_ = uploads.add(table, "a table of codes");
    return;
  }
  kind_ = from.codes ? Conversion::decode : Conversion::encode;
  scale_ = device_codes(from.codes ? *from.codes : *to.codes);
}

void Move::add(const MoveAxis& axis) {
  const auto whole = [](const MoveAxis& a) {
    return !a.table && a.shift == 0 && static_cast<int64_t>(a.extent) == a.limit;
  };
  if (axis.extent == 1 && whole(axis)) return;
  if (!axes_.empty() && whole(axes_.back()) && whole(axis)) {
    MoveAxis& last = axes_.back();
    if (last.to_step == axis.to_step * axis.extent && last.from_step == axis.from_step * axis.extent) {
      last.extent *= axis.extent;
      last.limit *= axis.limit;
      last.to_step = axis.to_step;
      last.from_step = axis.from_step;
      return;
    }
  }
  axes_.push_back(axis);
}

bool Move::turns(int32_t word_bytes) const {
  const size_t count = axes_.size();
  if (count < 2 || count > 3 || (word_bytes != 1 && word_bytes != 4)) return false;
  for (const MoveAxis& a : axes_)
    if (a.table || a.shift != 0 || static_cast<int64_t>(a.extent) != a.limit) return false;
  const MoveAxis &rows = axes_[count - 1], &columns = axes_[count - 2];
  return rows.to_step == 1 && columns.from_step == 1 && rows.extent > 1 && columns.extent > 1 &&
         (count == 2 || axes_[0].extent <= 65535) && rows.extent <= 65535u * kTurnTile;
}

void Move::launch(Device& device, const ElementConversion& conversion, const std::byte* from, std::byte* to,
                  const Words4& missing) const {
  MoveArgs args{};
  conversion.fill(args);
  if (turns(args.word_bytes)) {
    const MoveAxis &rows = axes_.back(), &columns = axes_[axes_.size() - 2];
    const bool batched = axes_.size() == 3;
    TurnArgs turn{};
    conversion.fill(turn);
    turn.from = from;
    turn.to = to;
    turn.rows = static_cast<int32_t>(rows.extent);
    turn.columns = static_cast<int32_t>(columns.extent);
    turn.from_row = rows.from_step;
    turn.to_row = columns.to_step;
    turn.from_batch = batched ? axes_[0].from_step : 0;
    turn.to_batch = batched ? axes_[0].to_step : 0;
    const auto tiles = [](uint32_t extent) { return static_cast<int>((extent + kTurnTile - 1) / kTurnTile); };
    device.launch(
        turn_kernel,
        {{tiles(columns.extent), tiles(rows.extent), batched ? static_cast<int>(axes_[0].extent) : 1},
         kTurnThreads,
         kTurnShared},
        turn);
    return;
  }
  std::vector<MoveAxis> axes = axes_;
  args.from = from;
  args.to = to;
  args.missing = missing;
  // A last axis that lies together on both sides goes by wider words, where every other step allows it.
  if (args.conversion == Conversion::none && !axes.empty() && axes.back().to_step == 1 &&
      axes.back().from_step == 1 && !axes.back().table && axes.back().shift == 0 &&
      static_cast<int64_t>(axes.back().extent) == axes.back().limit) {
    const auto fits = [&](int64_t words) {
      for (size_t a = 0; a + 1 < axes.size(); ++a)
        if (axes[a].to_step % words != 0 || axes[a].from_step % words != 0) return false;
      const auto bytes = static_cast<uintptr_t>(words * args.word_bytes);
      return axes.back().extent % words == 0 && reinterpret_cast<uintptr_t>(from) % bytes == 0 &&
             reinterpret_cast<uintptr_t>(to) % bytes == 0;
    };
    while (args.word_bytes < 16 && fits(2)) {
      for (size_t a = 0; a + 1 < axes.size(); ++a) {
        axes[a].to_step /= 2;
        axes[a].from_step /= 2;
      }
      axes.back().extent /= 2;
      axes.back().limit /= 2;
      args.word_bytes *= 2;
    }
  }
  args.count = 1;
  for (const MoveAxis& axis : axes) {
    args.axes[args.dims++] = axis;
    args.count *= axis.extent;
  }
  if (args.count > 0) device.launch(move_kernel, thread_each(args.count), args);
}

Refusal move_refusal(const OpSite& site, size_t inputs) {
  const ValueType& out = site.outputs[0];
  const auto unfit = [&](const ValueType& type) -> Refusal {
    if (type.dtype != out.dtype) return "the type changes";
    if (type.shape.rank() > kMoveAxes) return fmt::format("{} dimensions", type.shape.rank());
    if (type.shape.is_concrete() && type.shape.elements() > INT32_MAX) return "2^31 elements or more";
    return {};
  };
  if (dtype_bytes(out.dtype) > 8) return "elements of more than 8 bytes";
  for (size_t i = 0; i < inputs && i < site.inputs.size(); ++i) {
    if (!site.inputs[i].present) continue;
    if (site.inputs[i].encoding)
      return fmt::format("input {} is encoded as {}", i, site.inputs[i].encoding->str());
    if (Refusal refusal = unfit(site.inputs[i].type); !refusal.empty()) return refusal;
  }
  for (const ValueType& output : site.outputs)
    if (Refusal refusal = unfit(output); !refusal.empty()) return refusal;
  for (size_t i = 0; i < site.outputs.size(); ++i)
    if (site.storage_of_output(i).codes && out.dtype != DType::f32) return "codes of another type than f32";
  for (size_t i = 0; i < inputs && i < site.inputs.size(); ++i)
    if (site.inputs[i].storage.codes && out.dtype != DType::f32) return "codes of another type than f32";
  return {};
}

}  // namespace halftone::cuda
