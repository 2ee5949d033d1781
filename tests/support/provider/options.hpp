// The command line of the stand-in.
//
// parse_options() throws std::invalid_argument with a message for the person at the shell.
#pragma once

#include <cstdint>
#include <string>

namespace stand_in {

inline constexpr const char* kUsage =
    "usage: stand_in_provider [--port N] [--port-file PATH] [--with-parent] [--verbose]\n"
    "  --port N          listen on 127.0.0.1:N; 0, the default, takes a free port\n"
    "  --port-file PATH  write the port to PATH once it listens\n"
    "  --with-parent     end when the process that started it ends\n"
    "  --verbose         one line a request on stderr\n";

struct Options {
  std::uint16_t port = 0;
  std::string port_file;
  bool with_parent = false;
  bool verbose = false;
  bool help = false;
};

Options parse_options(int count, char** arguments);

}  // namespace stand_in
