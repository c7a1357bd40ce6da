#include "cli/vision_options.h"

#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "cli/memory_check.h"
#include "cli/pass_report.h"
#include "cli/progress.h"

namespace halftone::cli {
namespace {

/// "224" or "480x640" (height first) as the JSON has it.
Json size_json(const std::string& text, const char* flag) {
  std::vector<int> sides;
  const char* at = text.data();
  const char* end = text.data() + text.size();
  while (true) {
    int side = 0;
    const auto [after, error] = std::from_chars(at, end, side);
    if (error != std::errc() || side < 1 || sides.size() == 2)
      throw UsageError("{} {}: expected a size in pixels, as 224 or 480x640 (height first)", flag, text);
    sides.push_back(side);
    if (after == end) break;
    if (*after != 'x')
      throw UsageError("{} {}: expected a size in pixels, as 224 or 480x640 (height first)", flag, text);
    at = after + 1;
  }
  return sides.size() == 1 ? Json(sides[0]) : Json(sides);
}

/// A number for all channels as a number.
Json channel_json(const std::vector<double>& values) {
  return values.size() == 1 ? Json(values[0]) : Json(values);
}

/// The flags that were given, as a patch to pre-processing's JSON; empty when there are none.
Json flags_json(const VisionOptions& o) {
  Json flags = Json::object(), resize = Json::object();
  if (!o.channels.empty()) flags["channels"] = o.channels;
  if (!o.crop.empty()) flags["crop"] = size_json(o.crop, "--crop");
  if (o.scale != 0) flags["scale"] = o.scale;
  if (!o.mean.empty()) flags["mean"] = channel_json(o.mean);
  if (!o.std.empty()) flags["std"] = channel_json(o.std);
  if (!o.resize.empty()) resize["mode"] = o.resize;
  if (!o.size.empty()) resize["size"] = size_json(o.size, "--size");
  if (!o.resampler.empty()) resize["resampler"] = o.resampler;
  if (!o.place.empty()) resize["place"] = o.place;
  if (!o.rounding.empty()) resize["rounding"] = o.rounding;
  if (o.pad >= 0) resize["pad"] = o.pad;
  if (!resize.empty()) flags["resize"] = resize;
  return flags;
}

}  // namespace

void add_vision_options(CLI::App& command, VisionOptions& o) {
  add_runtime_options(command, o.model);
  add_fixed_options(command, o.fixed);
  add_passes_option(command, o.passes);
  add_force_option(command, o.model);
  command
      .add_option("--labels", o.labels, "Names of the classes: a line each, a JSON list, or a config.json")
      ->type_name("FILE");
  const char* group = "How the model wants pictures (otherwise its files say, or its name)";
  auto flag = [&](const char* name, auto& value, const char* text, const char* type) {
    return command.add_option(name, value, text)->type_name(type)->group(group);
  };
  flag("--preset", o.preset, fmt::format("{}", fmt::join(preprocess_presets(), ", ")).c_str(), "NAME");
  flag("--channels", o.channels, "rgb, bgr or grey", "ORDER");
  flag("--resize", o.resize, "stretch, shorter_side, letterbox or none", "MODE");
  flag("--size", o.size, "To what size: 224, or HEIGHTxWIDTH", "SIZE");
  flag("--resampler", o.resampler, "pillow_bilinear, pillow_bicubic or opencv_bilinear", "NAME");
  flag("--place", o.place, "Where letterbox puts the picture: top_left or centre", "PLACE");
  flag("--pad", o.pad, "Letterbox's grey", "0-255")->check(CLI::Range(0, 255));
  flag("--rounding", o.rounding, "Of letterboxed sides: down or nearest", "HOW");
  flag("--crop", o.crop, "Crop the centre after resizing: 224, or HEIGHTxWIDTH", "SIZE");
  flag("--scale", o.scale, "Pixels (0 to 255) are multiplied by this first", "X");
  flag("--mean", o.mean, "then this is taken off (one, or one a channel)", "A,B,C")->delimiter(',');
  flag("--std", o.std, "then divided by this", "A,B,C")->delimiter(',');
}

PreprocessSource asked_preprocess(const VisionOptions& o, const VisionModel& model) {
  const Json flags = flags_json(o);
  std::optional<PreprocessSource> base = model.preprocess;
  if (!o.preset.empty()) base = preprocess_preset(o.preset);
  if (!base && flags.empty())
    throw UsageError(
        "{}: nothing says how this model wants its pictures; name a preset (--preset {}), or put it into a "
        "file "
        "beside the model (docs/formats/preprocess.md)",
        o.model.model, fmt::join(preprocess_presets(), ", "));
  PreprocessSource asked = base ? *base : PreprocessSource{Json::object(), "the flags"};
  if (base && !flags.empty()) asked.source += " with flags";
  asked.json.merge_patch(flags);
  return asked;
}

OpenVisionModel open_vision_model(const VisionOptions& o) {
  require_onnx(o.model.model, o.fixed);
  VisionModel model = load_vision_model(o.model.model, onnx_options(o.fixed));
  const PreprocessSource asked = asked_preprocess(o, model);
  if (asked.guessed && !o.model.json)
    fmt::print(stderr,
               "halftone: pictures as in {}, chosen by the model's file name (--preset says otherwise)\n",
               asked.source);
  OpenVisionModel open;
  open.name = model.name;
  open.labels = model.labels;
  if (open.labels.empty())
    open.labels = known_labels(json_get_or<std::string>(asked.json, "labels", "", asked.source));
  if (!o.labels.empty()) open.labels = read_labels(o.labels);
  open.preprocess_source = asked.source;
  open.preprocess =
      fit_to_model(parse_preprocess(asked.json, asked.source), image_input(model.graph), asked.source);
  open.planned_bytes = check_memory(model.graph, o.model);
  open.threads = std::make_unique<ThreadPool>(o.model.threads);
  Progress packing("packing weights", o.model.json);
  CompileOptions compiling;
  compiling.backend = o.model.backend;
  compiling.exact = o.model.exact;
  compiling.cache = open_plan_cache(o.model);
  compiling.name = model.name;
  compiling.progress = [&](int done, int total) { packing.update(done, total); };
  auto plan = compile(std::move(model.graph), compiling, *open.threads);
  packing.finish();
  if (o.model.explain) fmt::print(stderr, "{}", plan->explain());
  if (o.passes) fmt::print(stderr, "{}", passes_text(*plan));
  open.runner = std::make_unique<ImageRunner>(std::move(plan), open.preprocess, *open.threads);
  return open;
}

void check_label_count(const VisionOptions& options, const OpenVisionModel& model, size_t classes) {
  if (options.labels.empty() || model.labels.size() == classes) return;
  throw InputError("{}: {} names, where the model has {} classes", options.labels, model.labels.size(),
                   classes);
}

std::string throughput_text(const ImageRunner& runner, size_t pictures, double seconds) {
  const auto count = static_cast<double>(pictures);
  return fmt::format(
      "{} {}, {:.2f} s: {:.1f} pictures/s (reading and fitting {:.1f} ms a picture, inference {:.1f} ms)\n",
      pictures, pictures == 1 ? "picture" : "pictures", seconds, count / seconds,
      runner.preparing_seconds() / count * 1e3, runner.running_seconds() / count * 1e3);
}

}  // namespace halftone::cli
