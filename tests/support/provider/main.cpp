// The stand-in provider: a real HTTP server on loopback that answers as LLM providers do.
//
// Read on in provider.hpp (which answer a request gets), control.hpp (how a test steers it) and
// server.hpp (how it is sent). tests/support/README.md shows how to use it.
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include <sys/prctl.h>
#include <unistd.h>

#include "control.hpp"
#include "options.hpp"
#include "provider.hpp"
#include "receiver.hpp"
#include "record.hpp"
#include "script.hpp"
#include "server.hpp"

namespace {

// Blocked before any thread starts, so that only await_end() sees them.
sigset_t block_end_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

void end_with_parent() {
  const pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) raise(SIGTERM);  // it went before the kernel was told
}

void await_end(const sigset_t& signals) {
  int received = 0;
  while (sigwait(&signals, &received) != 0) {
  }
}

// Whoever waits for the file sees a whole port or no file.
void write_port(const std::string& path, unsigned port) {
  const std::string draft = path + "." + std::to_string(getpid());
  std::ofstream file(draft);
  file << port << '\n';
  file.close();
  if (!file) throw std::runtime_error("could not write " + draft);
  std::filesystem::rename(draft, path);
}

void serve(const stand_in::Options& options) {
  const sigset_t signals = block_end_signals();
  if (options.with_parent) end_with_parent();
  stand_in::Script script;
  stand_in::Record record;
  stand_in::Receiver receiver(script);
  stand_in::Control control(script, record, receiver);
  stand_in::Provider provider(script, record);
  stand_in::Server server(options.port, options.verbose, control, provider, receiver, record);
  if (options.port_file.empty()) {
    std::printf("%u\n", static_cast<unsigned>(server.port()));
    std::fflush(stdout);
  } else {
    write_port(options.port_file, server.port());
  }
  await_end(signals);
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const stand_in::Options options = stand_in::parse_options(count, arguments);
    if (options.help) {
      std::fputs(stand_in::kUsage, stdout);
      return 0;
    }
    serve(options);
    return 0;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "stand_in_provider: %s\n%s", error.what(), stand_in::kUsage);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "stand_in_provider: %s\n", error.what());
    return 1;
  }
}
