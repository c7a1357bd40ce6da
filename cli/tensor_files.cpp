#include "cli/tensor_files.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/suggest.h"
#include "base/write_file.h"
#include "formats/npy.h"
#include "graph/shape_text.h"

namespace halftone::cli {
namespace {

/// The shape of `bytes` of raw elements: the input's own, with what is open read off the number of bytes.
Shape raw_shape(const Graph& graph, const Value& input, size_t bytes, const fs::path& path) {
  Shape shape = input.type.shape;
  int open = -1, open_count = 0;
  int64_t known = static_cast<int64_t>(dtype_bytes(input.type.dtype));
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] >= 0) {
      known *= shape[axis];
    } else {
      open = axis;
      ++open_count;
    }
  }
  if (open_count > 1)
    throw InputError("{}: input \"{}\" leaves {} dimensions open: give a .npy file, or --dim", path.string(),
                     input.name, open_count);
  const auto size = static_cast<int64_t>(bytes);
  if (open >= 0 && known > 0) shape[open] = size / known;
  if (known <= 0 || shape.elements() * static_cast<int64_t>(dtype_bytes(input.type.dtype)) != size)
    throw InputError("{}: {} bytes are no {} of shape {} (input \"{}\")", path.string(), bytes,
                     dtype_name(input.type.dtype), shape_text(graph, input.type.shape), input.name);
  return shape;
}

std::vector<std::string> input_names(const Graph& graph) {
  std::vector<std::string> names;
  for (ValueId id : graph.inputs())
    if (!graph.value(id).constant) names.push_back(graph.value(id).name);
  return names;
}

fs::path find_file(const std::string& name, const fs::path& list) {
  if (fs::exists(name) || fs::path(name).is_absolute()) return name;
  const fs::path beside = list.parent_path() / name;
  return fs::exists(beside) ? beside : fs::path(name);
}

}  // namespace

Tensor read_input(const Graph& graph, const Value& input, const fs::path& path) {
  const auto file = MappedFile::open(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  if (path.extension() == ".npy" || bytes.substr(0, 6) == "\x93NUMPY") {
    Tensor tensor = read_npy(path);
    if (tensor.dtype() != input.type.dtype)
      throw InputError("{}: input \"{}\" takes {}, found {}", path.string(), input.name,
                       dtype_name(input.type.dtype), dtype_name(tensor.dtype()));
    return tensor;
  }
  Tensor tensor = Tensor::allocate(input.type.dtype, raw_shape(graph, input, bytes.size(), path));
  if (!bytes.empty()) std::memcpy(tensor.mutable_view().data, bytes.data(), bytes.size());
  return tensor;
}

std::vector<InputFiles> read_input_list(const Graph& graph, const fs::path& list) {
  const std::vector<std::string> names = input_names(graph);
  std::vector<InputFiles> runs;
  std::istringstream lines(read_text(list, size_t{64} << 20));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty() || line[0] == '#' || line[0] == '%') continue;
    const std::string where = fmt::format("{}: line {}", list.string(), number);
    InputFiles files;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      const size_t mark = word.find(":=");
      if (mark == std::string::npos && files.size() >= names.size())
        throw InputError("{}: more files than the graph has inputs ({})", where, names.size());
      const std::string name = mark == std::string::npos ? names[files.size()] : word.substr(0, mark);
      if (std::find(names.begin(), names.end(), name) == names.end())
        throw InputError("{}: the graph has no input \"{}\"{}", where, name, did_you_mean(name, names));
      const std::string file = mark == std::string::npos ? word : word.substr(mark + 2);
      if (!files.emplace(name, find_file(file, list)).second)
        throw InputError("{}: input \"{}\" is given twice", where, name);
    }
    if (!files.empty()) runs.push_back(std::move(files));
  }
  if (runs.empty()) throw InputError("{}: no line names an input", list.string());
  return runs;
}

std::vector<std::string> file_names(const std::vector<std::string>& outputs) {
  std::set<std::string> taken(outputs.begin(), outputs.end());
  std::vector<std::string> files;
  for (const std::string& name : outputs) {
    std::string plain = name;
    for (char& c : plain)
      if (std::strchr("/\\:*?\"<>|", c) || static_cast<unsigned char>(c) < ' ') c = '_';
    files.push_back(plain);
    if (plain == name) continue;
    for (int number = 2; !taken.insert(files.back()).second; ++number)
      files.back() = fmt::format("{}-{}", plain, number);
  }
  return files;
}

fs::path write_output(const fs::path& folder, const std::string& file, const TensorView& tensor, bool raw) {
  make_folder(folder);
  const fs::path path = folder / (file + (raw ? ".raw" : ".npy"));
  if (!raw) {
    write_npy(path, tensor);
    return path;
  }
  write_file(path, tensor.bytes());
  return path;
}

}  // namespace halftone::cli
