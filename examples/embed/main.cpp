// Halftone inside a program of one's own.
//
//   embed tensors MODEL.onnx          runs a graph on ones; nodes SoftLimit of com.example are this file's
//   embed generate MODEL PROMPT       continues a text
//   embed detect MODEL PICTURE        finds things on a picture

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <halftone/halftone.h>
#include <iostream>

namespace sdk = halftone::sdk;

namespace {

/// y = limit * tanh(x / limit): an operator that ONNX has not.
sdk::CustomOperator soft_limit() {
  sdk::CustomOperator op;
  op.name = "SoftLimit";
  op.domain = "com.example";
  op.inputs = {"x"};
  op.outputs = {"y"};
  op.infer = [](const sdk::NodeAttributes& attributes, std::span<const sdk::TensorInfo> inputs) {
    if (inputs[0].type != sdk::Type::f32) throw sdk::Error(sdk::Error::Kind::input, "x: expected f32");
    if (!(attributes.get_float("limit", 1) > 0))
      throw sdk::Error(sdk::Error::Kind::input, "attribute limit: expected a positive number");
    return std::vector<sdk::TensorInfo>{{"y", sdk::Type::f32, inputs[0].shape}};
  };
  op.reference = [](const sdk::OperatorCall& call) {
    const float limit = call.attributes.get_float("limit", 1);
    const auto x = call.inputs[0].as<float>();
    std::transform(x.begin(), x.end(), call.outputs[0].as<float>().begin(),
                   [limit](float value) { return limit * std::tanh(value / limit); });
  };
  op.kernel = [](const sdk::OperatorCall& call, const sdk::ParallelFor& parallel_for) {
    const float limit = call.attributes.get_float("limit", 1), inverse = 1 / limit;
    const auto x = call.inputs[0].as<float>();
    const auto y = call.outputs[0].as<float>();
    parallel_for(call.inputs[0].elements, 4096, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
        y[i] = limit * std::tanh(x[i] * inverse);
    });
  };
  return op;
}

void run_tensors(const char* path) {
  sdk::register_operator(soft_limit());
  sdk::Model model = sdk::Model::load(path);
  std::map<std::string, sdk::Tensor> inputs;
  for (const sdk::TensorInfo& input : model.inputs()) {
    sdk::Shape shape = input.shape;
    for (int64_t& size : shape) size = std::max<int64_t>(size, 1);  // open dimensions
    sdk::Tensor ones(input.type, shape);
    if (input.type == sdk::Type::f32) std::ranges::fill(ones.data<float>(), 1.0f);
    inputs[input.name] = ones;
  }
  for (const auto& [name, tensor] : model.run(inputs)) {
    std::printf("%s: %s [", name.c_str(), sdk::type_name(tensor.type()));
    for (int64_t size : tensor.shape()) std::printf(" %lld", static_cast<long long>(size));
    std::printf(" ]");
    if (tensor.type() == sdk::Type::f32)
      for (float value : tensor.data<float>().first(std::min<size_t>(4, tensor.data<float>().size())))
        std::printf(" %.6g", static_cast<double>(value));
    std::printf("\n");
  }
  std::cout << model.explain();
}

void generate(const char* path, const char* prompt) {
  sdk::LanguageModel model = sdk::LanguageModel::load(path);
  sdk::GenerateOptions options;
  options.max_tokens = 24;
  options.temperature = 0;
  const sdk::Generated made = model.generate(prompt, options, [](std::string_view text) {
    std::cout << text << std::flush;
    return true;
  });
  std::cout << "\n" << made.tokens << " tokens, " << made.reason << "\n";
}

void detect(const char* path, const char* picture) {
  sdk::Detector detector = sdk::Detector::load(path);
  for (const sdk::Detection& found : detector.detect(picture))
    std::printf("%s %.2f [%.0f %.0f %.0f %.0f]\n", found.name.c_str(), static_cast<double>(found.score),
                static_cast<double>(found.left), static_cast<double>(found.top),
                static_cast<double>(found.right), static_cast<double>(found.bottom));
}

}  // namespace

int main(int count, char** words) {
  const std::string what = count > 1 ? words[1] : "";
  try {
    if (what == "tensors" && count == 3)
      run_tensors(words[2]);
    else if (what == "generate" && count == 4)
      generate(words[2], words[3]);
    else if (what == "detect" && count == 4)
      detect(words[2], words[3]);
    else
      throw sdk::Error(sdk::Error::Kind::usage,
                       "embed tensors MODEL | generate MODEL PROMPT | detect MODEL PICTURE");
  } catch (const sdk::Error& error) {
    std::cerr << "embed: " << error.what() << "\n";
    return 1 + static_cast<int>(error.kind());
  }
}
