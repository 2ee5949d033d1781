#include "options.hpp"

#include <charconv>
#include <stdexcept>
#include <string_view>

namespace stand_in {

namespace {

std::uint16_t port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw std::invalid_argument("not a port: " + std::string(text));
  }
  return port;
}

}  // namespace

Options parse_options(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = arguments[i];
    const auto value = [&]() -> std::string_view {
      if (++i == count) throw std::invalid_argument(std::string(name) + " needs a value");
      return arguments[i];
    };
    if (name == "--port") {
      options.port = port_of(value());
    } else if (name == "--port-file") {
      options.port_file = value();
    } else if (name == "--with-parent") {
      options.with_parent = true;
    } else if (name == "--verbose") {
      options.verbose = true;
    } else if (name == "--help") {
      options.help = true;
    } else {
      throw std::invalid_argument("unknown option: " + std::string(name));
    }
  }
  return options;
}

}  // namespace stand_in
