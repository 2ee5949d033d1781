#include "store/root_key.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cipher.hpp"
#include "core/error.hpp"
#include "core/root_key.hpp"
#include "pg/guard.hpp"
#include "pg/settings.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "storage/fd.h"
}

namespace keypool::store {

namespace {

// In the data directory, which is the working directory of every server process.
constexpr const char* kDefaultFile = "pg_keypool.root_key";
constexpr const char* kUnfinishedFile = "pg_keypool.root_key.new";

// More than any form of the most root keys, so that a file that is none shows by its length.
constexpr std::size_t kMostBytes = 4096;
static_assert(kMostBytes > core::kMostRootKeys * (2 * core::kKeySize + 2));

constexpr const char* kLostHint =
    "Put the root key back; without it the keys stored in this server cannot be opened.";

[[noreturn]] void fail(std::string message, std::string detail, std::string hint) {
  throw core::Error(core::ErrorCode::kRootKeyUnavailable, std::move(message), std::move(detail),
                    std::move(hint));
}

std::string text_of(int error) { return std::generic_category().message(error); }

std::string quoted(const char* path) { return "\"" + std::string(path) + "\""; }

// The parsed form of what a source delivered; a complaint names the source.
RootKeys parse(std::string_view raw, const std::string& source) {
  try {
    return core::parse_root_keys(raw);
  } catch (const core::Error& error) {
    throw core::Error(error.code(), error.message(),
                      "It came from " + source + ". " + error.detail(), error.hint());
  }
}

// ---- the file ----

class File {
 public:
  // Without O_NONBLOCK a pipe put in the file's place would hold the session up for ever.
  explicit File(const char* path) {
    const auto opened = pg::call([path] {
      const int fd = OpenTransientFile(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      return Opened{fd, errno};
    });
    fd_ = opened.fd;
    error_ = opened.error;
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) CloseTransientFile(fd_);
  }
  int fd() const noexcept { return fd_; }
  int error() const noexcept { return error_; }

 private:
  struct Opened {
    int fd;
    int error;
  };
  int fd_;
  int error_;
};

[[noreturn]] void fail_open(const char* path, int error) {
  if (error == ENOENT || error == ENOTDIR)
    fail("root key file " + quoted(path) + " is missing", {}, kLostHint);
  fail("could not read root key file " + quoted(path) + ": " + text_of(error), {},
       "Make the file, and every folder above it, accessible to the server's user.");
}

// The rule the server has for TLS keys: ours and for us alone, or root's and readable by our group.
void check_access(const char* path, const struct stat& status) {
  if (!S_ISREG(status.st_mode))
    fail("root key file " + quoted(path) + " is not a regular file", {},
         "Name a file that holds the key, or use keypool.root_key_command.");
  const bool roots = status.st_uid == 0;
  if (!roots && status.st_uid != geteuid())
    fail("root key file " + quoted(path) + " belongs to another user",
         "Whoever owns the file could read or replace the key.",
         "Let the server's user, or root, own the file.");
  const mode_t forbidden = roots ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
  if ((status.st_mode & forbidden) == 0) return;
  char mode[8];
  std::snprintf(mode, sizeof(mode), "0%03o", static_cast<unsigned>(status.st_mode & 0777));
  fail("root key file " + quoted(path) + " is accessible to others",
       std::string("Its mode is ") + mode + ".",
       "Use chmod 600, or 640 for a file that root owns.");
}

RootKeys from_file(const char* path) {
  const File file(path);
  if (file.fd() < 0) fail_open(path, file.error());
  struct stat status;
  if (fstat(file.fd(), &status) != 0) fail_open(path, errno);
  check_access(path, status);
  core::Secret raw(kMostBytes);
  std::size_t size = 0;
  while (size < raw.size()) {
    const ssize_t got = read(file.fd(), raw.data() + size, raw.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_open(path, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  return parse(raw.view().substr(0, size), "file " + quoted(path));
}

// ---- the command ----

struct Output {
  std::size_t size;
  int status;  // as waitpid gives it, or -1
  int error;
};

// Inside pg::call. A cancel signals the whole process group of this session, so it ends the command
// and with it the reading.
Output run(const char* command, char* into) {
  FILE* stream = OpenPipeStream(command, "r");
  if (stream == nullptr) return {0, -1, errno};
  setvbuf(stream, nullptr, _IONBF, 0);  // or stdio's buffer would keep a copy
  const std::size_t size = fread(into, 1, kMostBytes, stream);
  const int status = ClosePipeStream(stream);
  const int error = errno;
  CHECK_FOR_INTERRUPTS();
  return {size, status, error};
}

[[noreturn]] void fail_command(const Output& output) {
  std::string what = text_of(output.error);
  if (output.status != -1) {
    const char* reason = pg::call([&] { return wait_result_to_str(output.status); });
    what = reason;
  }
  fail("keypool.root_key_command failed", "The reason: " + what + ".",
       "Run the command in a shell as the server's user. What it writes to its standard error is "
       "dropped here, since that might be the key.");
}

RootKeys from_command(const char* command) {
  const std::string line = "exec 2>/dev/null\n" + std::string(command);
  core::Secret raw(kMostBytes);
  const char* shell_text = line.c_str();
  char* into = reinterpret_cast<char*>(raw.data());
  const Output output = pg::call([=] { return run(shell_text, into); });
  // One that says more than we read may well be ended by it; its length is the complaint then.
  if (output.status != 0 && output.size < kMostBytes) fail_command(output);
  return parse(raw.view().substr(0, output.size), "keypool.root_key_command");
}

// ---- the default ----

bool exists(const char* path) {
  struct stat status;
  return lstat(path, &status) == 0 || errno != ENOENT;
}

bool wants_default() {
  const pg::Settings& settings = pg::settings();
  return IsPostmasterEnvironment && !IsUnderPostmaster && !IsBinaryUpgrade &&
         *settings.root_key_file == '\0' && *settings.root_key_command == '\0' &&
         !exists("standby.signal") && !exists("recovery.signal") && !exists(kDefaultFile);
}

// ---- writing ----

// Answers 0 or an errno. A crash on the way leaves an unfinished file, which is not the key.
int write_unfinished(const char* path, std::span<const core::Secret> keys, mode_t mode) noexcept {
  try {
    const core::Secret text = core::root_keys_text(keys);
    unlink(path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return errno;
    errno = ENOSPC;  // what a short write without an error means
    const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                         fchmod(fd, mode) == 0 && fsync(fd) == 0;
    const int error = errno;
    close(fd);
    return written ? 0 : error;
  } catch (const std::exception&) {
    return ENOMEM;
  }
}

int write_default() noexcept {
  try {
    const core::Secret keys[] = {core::new_root_key()};
    return write_unfinished(kUnfinishedFile, keys, 0600);
  } catch (const std::exception&) {
    return EAGAIN;  // no random bytes or no memory
  }
}

constexpr const char* kByHandHint =
    "Put a new key, as made by \"openssl rand -hex 32\", on a line of its own before the old one, "
    "and call rotate_root_key() again.";

[[noreturn]] void fail_by_hand(std::string detail) {
  throw core::Error(core::ErrorCode::kNotReady, "a new root key must be put in place by hand",
                    std::move(detail), kByHandHint);
}

// The file itself, wherever the path leads.
std::string resolved(const char* path) {
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path, nullptr), &std::free);
  if (real == nullptr) fail_open(path, errno);
  return real.get();
}

struct stat status_of(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) fail_open(path.c_str(), errno);
  return status;
}

}  // namespace

RootKeys read_root_keys() {
  const pg::Settings& settings = pg::settings();
  if (*settings.root_key_file != '\0') return from_file(settings.root_key_file);
  if (*settings.root_key_command != '\0') return from_command(settings.root_key_command);
  return from_file(kDefaultFile);
}

std::string make_root_key(RootKeys keys) {
  const pg::Settings& settings = pg::settings();
  const bool named = *settings.root_key_file != '\0';
  if (!named && *settings.root_key_command != '\0')
    fail_by_hand("It comes from keypool.root_key_command.");
  if (keys.size() == core::kMostRootKeys)
    fail_by_hand("The file holds as many keys as it may: lines of old ones can go first.");
  const std::string file = resolved(named ? settings.root_key_file : kDefaultFile);
  const struct stat status = status_of(file);
  if (status.st_uid != geteuid())
    fail_by_hand("The server's user does not own file " + quoted(file.c_str()) + ".");
  keys.insert(keys.begin(), core::new_root_key());
  const std::string unfinished = file + ".new";
  const int error = write_unfinished(unfinished.c_str(), keys, status.st_mode & 0777);
  if (error != 0)
    fail_by_hand("File " + quoted(unfinished.c_str()) + " could not be written: " + text_of(error) +
                 ".");
  const char* from = unfinished.c_str();
  const char* to = file.c_str();
  pg::call([from, to] { durable_rename(from, to, ERROR); });
  return file;
}

void ensure_default_root_key() noexcept {
  if (!wants_default()) return;
  errno = write_default();
  if (errno != 0) {
    ereport(WARNING, (errmsg("could not create root key file \"%s\": %m", kDefaultFile),
                      errhint("Set keypool.root_key_file or keypool.root_key_command.")));
    return;
  }
  // Syncs file and folder; says itself what failed.
  if (durable_rename(kUnfinishedFile, kDefaultFile, WARNING) != 0) return;
  ereport(WARNING,
          (errmsg("created a root key in the data directory: \"%s\"", kDefaultFile),
           errdetail("The root key opens every API key stored in this server. It now lies beside "
                     "the data it protects: a copy or a backup of the data directory carries "
                     "both."),
           errhint("Move the file out of the data directory, keep a copy of it apart from the "
                   "backups, and set keypool.root_key_file to its new place.")));
}

}  // namespace keypool::store
