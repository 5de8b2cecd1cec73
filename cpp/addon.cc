// The addon's module: exports every native function by its name. Marshalling only.
#include <napi.h>

#include "atfork.h"
#include "marshal.h"
#include "marshal_entropy.h"
#include "marshal_fork.h"
#include "marshal_loop.h"
#include "marshal_mapped.h"
#include "marshal_process.h"
#include "sys/anonymous_file.h"
#include "sys/capabilities.h"
#include "sys/chroot.h"
#include "sys/credentials.h"
#include "sys/descriptor_list.h"
#include "sys/dispositions.h"
#include "sys/exec.h"
#include "sys/fd.h"
#include "sys/flock.h"
#include "sys/launcher.h"
#include "sys/listen.h"
#include "sys/notify.h"
#include "sys/parentage.h"
#include "sys/process.h"
#include "sys/reexec.h"
#include "sys/reuseport.h"
#include "sys/rlimit.h"
#include "sys/session.h"
#include "sys/signal_action.h"
#include "sys/signal_flag.h"
#include "sys/socketpair.h"
#include "sys/stdio.h"
#include "sys/trusted_open.h"
#include "sys/try_as.h"
#include "watch.h"

namespace {

void ExportSession(Napi::Object exports) {
  marshal::Export<sys::Setsid>(exports, "setsid");
  marshal::Export<sys::Getsid>(exports, "getsid");
  marshal::Export<sys::Setpgid>(exports, "setpgid");
  marshal::Export<sys::Getpgid>(exports, "getpgid");
}

// State of the runtime that the child of a fork must refresh.
void ExportRefresh(Napi::Object exports) {
  auto with_env = [exports](const char* name, auto function) mutable {
    exports.Set(name, Napi::Function::New(exports.Env(), function, name));
  };
  with_env("entropyFound", marshal::EntropyFound);
  with_env("refreshEntropy", marshal::RefreshEntropy);
  with_env("randomIntCache", marshal::RandomIntCache);
  with_env("fillRandom", marshal::FillRandom);
  with_env("processHandles", marshal::ProcessHandles);
  with_env("disownProcesses", marshal::DisownProcesses);
  with_env("rememberStandard", marshal::RememberStandard);
  with_env("forkInterface", atfork::Interface);
}

void ExportFd(Napi::Object exports) {
  marshal::Export<sys::Dup>(exports, "dup");
  marshal::Export<sys::Dup2>(exports, "dup2");
  marshal::Export<sys::Getdtablesize>(exports, "getdtablesize");
  marshal::Export<sys::CloseRange>(exports, "closeRange");
  marshal::Export<sys::AccessMode>(exports, "accessMode");
  marshal::Export<sys::CloseOnExec>(exports, "closeOnExec");
  marshal::Export<sys::FileDescriptors>(exports, "fileDescriptors");
  marshal::Export<sys::SameOpenFile>(exports, "sameOpenFile");
  marshal::Export<sys::OpenTrusted>(exports, "openTrusted");
  marshal::Export<sys::TryOpenAs>(exports, "tryOpenAs");
  marshal::Export<sys::WriteWithin>(exports, "writeWithin");
  auto with_loop = [exports](const char* name, auto function) mutable {
    exports.Set(name, Napi::Function::New(exports.Env(), function, name));
  };
  with_loop("loopDescriptors", marshal::LoopDescriptors);
  with_loop("handleDescriptors", marshal::HandleDescriptors);
  with_loop("queuedWrites", marshal::QueuedWrites);
  with_loop("completeWrites", marshal::CompleteWrites);
  with_loop("awaitRequests", marshal::AwaitRequests);
  with_loop("leaveLoop", marshal::LeaveLoop);
  with_loop("isBusy", marshal::IsBusy);
  with_loop("mapFile", marshal::MapFile);
}

void ExportProcess(Napi::Object exports) {
  exports.Set("waitpid", Napi::Function::New<marshal::Waitpid>(exports.Env(), "waitpid"));
  marshal::Export<sys::Exec>(exports, "exec");
  marshal::Export<sys::PlaceDescriptors>(exports, "placeDescriptors");
  marshal::Export<sys::Exit>(exports, "exit");
  marshal::Export<sys::Getpid>(exports, "getpid");
  marshal::Export<sys::Getppid>(exports, "getppid");
  marshal::Export<sys::PidfdOpen>(exports, "pidfdOpen");
  marshal::Export<sys::ExitDescriptor>(exports, "exitDescriptor");
  marshal::Export<sys::PidfdSendSignal>(exports, "pidfdSendSignal");
  marshal::Export<sys::SetChildSubreaper>(exports, "setChildSubreaper");
  marshal::Export<sys::GetChildSubreaper>(exports, "getChildSubreaper");
  marshal::Export<sys::SetParentDeathSignal>(exports, "setParentDeathSignal");
  marshal::Export<sys::GetParentDeathSignal>(exports, "getParentDeathSignal");
  marshal::Export<sys::RlimitResources>(exports, "rlimitResources");
  marshal::Export<sys::Getrlimit>(exports, "getrlimit");
  marshal::Export<sys::Setrlimit>(exports, "setrlimit");
}

// The flags' memory belongs to JavaScript and ends with the environment, but signals may still
// arrive.
Napi::Value OpenSignalFlag(const Napi::CallbackInfo& info) {
  [[maybe_unused]] static const auto hook = info.Env().AddCleanupHook(sys::SignalFlagForgetAll);
  return marshal::Call<sys::SignalFlagOpen>(info);
}

void ExportSignalFlag(Napi::Object exports) {
  exports.Set("signalFlagOpen", Napi::Function::New<OpenSignalFlag>(exports.Env()));
  marshal::Export<sys::SignalFlagFd>(exports, "signalFlagFd");
  marshal::Export<sys::SignalFlagRead>(exports, "signalFlagRead");
  marshal::Export<sys::SignalFlagLatest>(exports, "signalFlagLatest");
  marshal::Export<sys::SignalFlagSeen>(exports, "signalFlagSeen");
  marshal::Export<sys::SignalFlagCame>(exports, "signalFlagCame");
  marshal::Export<sys::SignalTaken>(exports, "signalTaken");
  marshal::Export<sys::SignalFlagSettle>(exports, "signalFlagSettle");
  marshal::Export<sys::SignalFlagClose>(exports, "signalFlagClose");
  marshal::Export<sys::SignalRtMin>(exports, "signalRtMin");
  marshal::Export<sys::SignalRtMax>(exports, "signalRtMax");
}

void ExportDaemon(Napi::Object exports) {
  marshal::Export<sys::Socketpair>(exports, "socketpair");
  marshal::Export<sys::SendRecord>(exports, "sendRecord");
  marshal::Export<sys::SendRecordIfRead>(exports, "sendRecordIfRead");
  marshal::Export<sys::AnonymousFile>(exports, "anonymousFile");
  marshal::Export<sys::AwaitHangup>(exports, "awaitHangup");
  marshal::Export<sys::AwaitBirth>(exports, "awaitBirth");
  marshal::Export<sys::Reexec>(exports, "reexec");
  marshal::Export<sys::StartBeside>(exports, "startBeside");
  marshal::Export<sys::WriteAll>(exports, "writeAll");
  marshal::Export<sys::ResetTerminal>(exports, "resetTerminal");
  marshal::Export<sys::GiveBackStandard>(exports, "giveBackStandard");
  marshal::Export<sys::MakeBlocking>(exports, "makeBlocking");
  marshal::Export<sys::Redirect>(exports, "redirect");
}

void ExportDispositions(Napi::Object exports) {
  marshal::Export<sys::DispositionOf>(exports, "disposition");
  marshal::Export<sys::HandlerNumber>(exports, "signalHandler");
  marshal::Export<sys::ResetSignal>(exports, "resetSignal");
  marshal::Export<sys::IgnoreSignal>(exports, "ignoreSignal");
  marshal::Export<sys::UnignoreSignal>(exports, "unignoreSignal");
  marshal::Export<sys::SignalMask>(exports, "signalMask");
}

void ExportCredentials(Napi::Object exports) {
  marshal::Export<sys::UserByName>(exports, "userByName");
  marshal::Export<sys::GroupByName>(exports, "groupByName");
  marshal::Export<sys::LoginGroup>(exports, "loginGroup");
  marshal::Export<sys::UserEntry>(exports, "userEntry");
  marshal::Export<sys::SupplementaryGroups>(exports, "supplementaryGroups");
  marshal::Export<sys::Setgroups>(exports, "setgroups");
  marshal::Export<sys::Setresuid>(exports, "setresuid");
  marshal::Export<sys::Setresgid>(exports, "setresgid");
  marshal::Export<sys::Getresuid>(exports, "getresuid");
  marshal::Export<sys::Getresgid>(exports, "getresgid");
  marshal::Export<sys::HasCapabilities>(exports, "hasCapabilities");
}

void ExportListen(Napi::Object exports) {
  marshal::Export<sys::ListenTcp>(exports, "listenTcp");
  marshal::Export<sys::ListenBeside>(exports, "listenBeside");
  marshal::Export<sys::ListenUnix>(exports, "listenUnix");
  marshal::Export<sys::ConnectUnix>(exports, "connectUnix");
  marshal::Export<sys::PeerAddress>(exports, "peerAddress");
  marshal::Export<sys::IsListening>(exports, "isListening");
  marshal::Export<sys::LocalPort>(exports, "localPort");
  marshal::Export<sys::Steer>(exports, "steer");
}

void ExportNotify(Napi::Object exports) {
  marshal::Export<sys::NotifyOpen>(exports, "notifyOpen");
  marshal::Export<sys::NotifySend>(exports, "notifySend");
  marshal::Export<sys::NotifyBarrier>(exports, "notifyBarrier");
  marshal::Export<sys::NotifyAnew>(exports, "notifyAnew");
}

// The names of an enumeration's values, in order. lib/ uses them to identify the numbers.
template <size_t N>
void ExportNames(Napi::Object names, const char* key, const char* const (&list)[N]) {
  Napi::Array array = Napi::Array::New(names.Env(), N);
  for (uint32_t i = 0; i < N; ++i) array.Set(i, list[i]);
  names.Set(key, array);
}

void ExportAllNames(Napi::Object exports) {
  Napi::Object names = Napi::Object::New(exports.Env());
  ExportNames(names, "births", sys::kBirths);
  ExportNames(names, "dispositions", sys::kDispositions);
  ExportNames(names, "found", sys::kFound);
  exports.Set("names", names);
}

Napi::Object Init(Napi::Env, Napi::Object exports) {
  marshal::ExportFork(exports);
  ExportRefresh(exports);
  ExportSession(exports);
  ExportFd(exports);
  ExportProcess(exports);
  marshal::Export<sys::Chroot>(exports, "chroot");
  ExportSignalFlag(exports);
  exports.Set("watch", Napi::Function::New<watch::Watch>(exports.Env(), "watch"));
  marshal::Export<sys::FlockExclusive>(exports, "flockExclusive");
  marshal::Export<sys::FlockHeld>(exports, "flockHeld");
  ExportCredentials(exports);
  ExportDispositions(exports);
  ExportDaemon(exports);
  ExportListen(exports);
  ExportNotify(exports);
  ExportAllNames(exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(daemonkit, Init)
