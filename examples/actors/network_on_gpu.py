"""A network on a GPU as an actor: it is built there, and stays there.

The network asks for a GPU, and sees no other one: the engine sets
CUDA_VISIBLE_DEVICES for its process. Weights travel as arrays, never the
network. The GPUs may be pretended: `init(num_gpus=2)` believes what it is
told, and without CUDA the network is on the CPU.

Watch: two more ask for one of two GPUs: one waits until the network is gone.
From:  Ray 0.2.2's documentation (with TensorFlow).
Next:  ask for half a GPU each: how many networks fit?
"""

import os

CLUSTER = {"num_gpus": 2}


def main(ray, full=False, *, rate=0.1):
    """Return the losses, step by step."""
    steps = 200 if full else 20

    @ray.remote(num_gpus=1)
    class Network:
        def __init__(self, seed):
            import torch  # here: the driver needs none

            torch.manual_seed(seed)
            self.torch = torch
            cuda = torch.cuda.is_available()
            self.device = torch.device("cuda" if cuda else "cpu")
            self.model = torch.nn.Linear(3, 1).to(self.device)
            self.x = torch.randn(64, 3, device=self.device)
            self.y = self.x.sum(dim=1, keepdim=True)

        def where(self):
            visible = os.environ["CUDA_VISIBLE_DEVICES"]
            return ray.get_gpu_ids(), visible, str(self.device)

        def train(self, steps):
            optimizer = self.torch.optim.SGD(self.model.parameters(), rate)
            losses = []
            for _ in range(steps):
                loss = (self.model(self.x) - self.y).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            return losses

        def get_weights(self):
            state = self.model.state_dict()
            return {name: w.cpu().numpy() for name, w in state.items()}

        def set_weights(self, weights):
            tensors = {n: self.torch.tensor(w) for n, w in weights.items()}
            self.model.load_state_dict(tensors)

    @ray.remote(num_gpus=1)
    class Holder:
        def gpus(self):
            return ray.get_gpu_ids()

    network = Network.remote(seed=0)
    ids, visible, device = ray.get(network.where.remote())
    print(f"GPU {ids}, CUDA_VISIBLE_DEVICES={visible}, is on {device}")
    start = ray.get(network.get_weights.remote())
    losses = ray.get(network.train.remote(steps))
    network.set_weights.remote(start)
    again = ray.get(network.train.remote(steps))
    print(
        f"loss {losses[0]:.3f} to {losses[-1]:.3f}; from the same weights "
        f"{again[0]:.3f} to {again[-1]:.3f}"
    )

    holders = [Holder.remote() for _ in range(2)]
    asked = [holder.gpus.remote() for holder in holders]
    has, waits = ray.wait(asked)
    print(f"another has GPU {ray.get(has[0])}")
    early, _ = ray.wait(waits, timeout=0.2)
    print(f"a third one runs: {bool(early)}")
    ray.kill(network)
    print(f"the network is killed; the third has GPU {ray.get(waits[0])}")

    assert not early, "a third GPU appeared"
    assert ray.get(waits[0]) == ids, "it runs on a GPU in use"
    assert losses[-1] < losses[0], "nothing was learned"
    assert again == losses, "the weights changed on their way"
    return losses
