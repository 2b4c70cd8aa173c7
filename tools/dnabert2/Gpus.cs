using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Dnabert2.Tool;

/// <summary>The GPUs the tool can compute on: those of this machine, or those of a test.</summary>
/// <param name="list">All of them; where there are none, why.</param>
/// <param name="open">A backend on one, with activations of a type, or why not.</param>
internal sealed class Gpus(
    Func<(IReadOnlyList<CudaDevice> Devices, string? Obstacle)> list, Func<int, DType, (Backend? Backend, string? Obstacle)> open)
{
    /// <summary>Those of this machine.</summary>
    public static Gpus OfMachine { get; } = new(
        () => (CudaDevices.List(out string? obstacle), obstacle),
        (index, activations) =>
        (CudaDevices.TryOpen(index, out Backend? backend, out string? obstacle, activations) ? backend : null, obstacle));

    /// <summary>All GPUs, those that cannot be used included; where there are none, why.</summary>
    public (IReadOnlyList<CudaDevice> Devices, string? Obstacle) List() => list();

    /// <summary>A backend on a GPU, to be disposed; or why not, in a sentence.</summary>
    public (Backend? Backend, string? Obstacle) Open(int index, DType activations) => open(index, activations);

    /// <summary>The number of the first GPU that can be used; null where there is none.</summary>
    /// <param name="after">How many are left to other ranks of this machine, which take turns where there are fewer.</param>
    public int? First(int after = 0)
    {
        int[] usable = [.. list().Devices.Where(device => device.Obstacle is null).Select(device => device.Index)];
        return usable.Length == 0 ? null : usable[after % usable.Length];
    }
}
