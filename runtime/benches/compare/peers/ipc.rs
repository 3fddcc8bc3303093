//! ipc-channel by hand: this program run again, with a channel to it and one from it.

use std::process::{Child, Command};

use ipc_channel::ipc::{self, IpcOneShotServer, IpcReceiver, IpcSender};

use super::super::contest::Who;
use super::super::measure::Outcome;
use super::farm::{Line, Lines};
use super::work::{Reply, Request, answer};

/// The argument that makes this program a worker; the name of the server follows it.
pub(crate) const WORKER: &str = "--ipc-worker";

type Ends = (IpcSender<Request>, IpcReceiver<Reply>);

pub(crate) struct IpcLine {
    /// Taken when it ends.
    sender: Option<IpcSender<Request>>,
    receiver: IpcReceiver<Reply>,
    child: Child,
}

pub(crate) fn farm(workers: usize) -> Outcome<Lines<IpcLine>> {
    Lines::new(Who::IpcChannel, workers, IpcLine::new)
}

impl IpcLine {
    fn new() -> Outcome<Self> {
        let (server, name) = IpcOneShotServer::<Ends>::new()?;
        let child = Command::new("/proc/self/exe")
            .args([WORKER, &name])
            .spawn()?;
        let (_, (sender, receiver)) = server.accept()?;
        Ok(Self {
            sender: Some(sender),
            receiver,
            child,
        })
    }
}

impl Line for IpcLine {
    fn send(&mut self, request: Request) -> Outcome<()> {
        Ok(self.sender.as_ref().ok_or("it has ended")?.send(request)?)
    }

    fn receive(&mut self) -> Outcome<Reply> {
        Ok(self.receiver.recv()?)
    }
}

impl Drop for IpcLine {
    fn drop(&mut self) {
        drop(self.sender.take());
        let _ = self.child.wait();
    }
}

/// Serves until the parent drops its end.
pub(crate) fn serve(server: &str) -> Outcome<()> {
    let (sender, requests) = ipc::channel()?;
    let (replies, receiver) = ipc::channel()?;
    IpcSender::connect(server.to_owned())?.send((sender, receiver))?;
    while let Ok(request) = requests.recv() {
        replies.send(answer(request))?;
    }
    Ok(())
}
