using System.Diagnostics.CodeAnalysis;
using System.Text;
using Engine.Kernels;
using Engine.Kernels.Gpu;

namespace Engine.Runtime.Cuda;

/// <summary>A GPU.</summary>
/// <param name="Index">Its number, as in <c>cuda:1</c>.</param>
/// <param name="Name">Its name.</param>
/// <param name="ComputeCapability">The version of its architecture, <c>9.0</c> for Hopper.</param>
/// <param name="MemoryBytes">Its memory.</param>
/// <param name="Multiprocessors">The number of its multiprocessors.</param>
public sealed record CudaDevice(int Index, string Name, Version ComputeCapability, long MemoryBytes, int Multiprocessors)
{
    /// <summary>Why kernels cannot run on it, in a sentence; null when they can.</summary>
    public string? Obstacle { get; init; }
}

/// <summary>The GPUs of this machine.</summary>
public static class CudaDevices
{
    /// <summary>The oldest driver that knows the language of the kernels (PTX 7.4).</summary>
    private const int OldestDriver = 11040;

    private static readonly Version OldestArchitecture = new(8, 0);

    /// <summary>All GPUs, those that cannot be used included.</summary>
    /// <param name="obstacle">When there are none: why, in a sentence.</param>
    public static IReadOnlyList<CudaDevice> List(out string? obstacle) => List(CudaDriver.Native, out obstacle);

    /// <summary>All GPUs of a driver.</summary>
    internal static IReadOnlyList<CudaDevice> List(ICudaDriver driver, out string? obstacle)
    {
        obstacle = DriverObstacle(driver);
        if (obstacle is not null) return [];
        CudaResult result = driver.DeviceGetCount(out int count);
        if (result != CudaResult.Success || count == 0)
        {
            obstacle = result == CudaResult.Success
                ? "the NVIDIA driver finds no GPU" : "the NVIDIA driver cannot list the GPUs: " + driver.Describe(result);
            return [];
        }

        var devices = new List<CudaDevice>();
        for (int i = 0; i < count; i++) devices.Add(Describe(driver, i));
        return devices;
    }

    /// <summary>A backend on a GPU.</summary>
    /// <param name="index">The number of the GPU.</param>
    /// <param name="activations">The type of activations: F32 or BF16; see <see cref="Backend.ActivationType"/>.</param>
    /// <param name="compiler">
    /// Compiles attention with score modifications that were not compiled ahead, when it is first run; without one it is refused.
    /// </param>
    /// <exception cref="NotSupportedException">There is no such GPU, or it cannot be used; the message says why.</exception>
    public static Backend Open(int index = 0, DType activations = DType.F32, GpuKernelCompiler? compiler = null) =>
        TryOpen(
            index, out Backend? backend, out string? obstacle, activations, compiler) ? backend : throw new NotSupportedException(obstacle);

    /// <summary>A backend on a GPU, if there is one that can be used.</summary>
    /// <param name="index">The number of the GPU.</param>
    /// <param name="backend">The backend, to be disposed.</param>
    /// <param name="obstacle">Otherwise: why not, in a sentence.</param>
    /// <param name="activations">The type of activations: F32 or BF16; see <see cref="Backend.ActivationType"/>.</param>
    /// <param name="compiler">See <see cref="Open"/>.</param>
    public static bool TryOpen(
        int index, [NotNullWhen(true)] out Backend? backend, [NotNullWhen(false)] out string? obstacle, DType activations = DType.F32,
        GpuKernelCompiler? compiler = null) =>
        TryOpen(CudaDriver.Native, index, out backend, out obstacle, activations, compiler);

    /// <summary>A backend on a GPU of a driver.</summary>
    internal static bool TryOpen(
        ICudaDriver driver, int index, [NotNullWhen(true)] out Backend? backend, [NotNullWhen(false)] out string? obstacle,
        DType activations = DType.F32,
        GpuKernelCompiler? compiler = null)
    {
        if (activations is not (DType.F32 or DType.BF16))
            throw new ArgumentException($"activations on a GPU are F32 or BF16, not {activations}");
        backend = null;
        IReadOnlyList<CudaDevice> devices = List(driver, out obstacle);
        if (obstacle is not null) return false;
        if (index < 0 || index >= devices.Count)
        {
            obstacle = $"there is no GPU {index}; the driver finds {devices.Count}, numbered from 0";
            return false;
        }

        obstacle = devices[index].Obstacle;
        if (obstacle is not null) return false;
        try
        {
            backend = new CudaBackend(new CudaContext(driver, devices[index], new KernelLibrary(compiler)), activations);
            return true;
        }
        catch (CudaException fault)
        {
            obstacle = $"GPU {index} ({devices[index].Name}) cannot be used: {fault.Message}";
            return false;
        }
    }

    /// <summary>What stands in the way of kernels on an architecture and driver, or null.</summary>
    internal static string? Obstacle(string name, Version computeCapability, bool memoryPools)
    {
        if (computeCapability < OldestArchitecture)
            return $"{name} has compute capability {computeCapability}; the kernels need {OldestArchitecture} (Ampere) or newer";
        return memoryPools ? null : $"{name} has no memory pools under this driver and operating system";
    }

    /// <summary>What stands in the way of a driver of a version (11040 for 11.4), or null.</summary>
    internal static string? DriverObstacle(int version) => version >= OldestDriver
        ? null
        : $"the NVIDIA driver knows CUDA {Text(version)}; the kernels need a driver for CUDA {Text(OldestDriver)} (470) or newer";

    private static string? DriverObstacle(ICudaDriver driver)
    {
        if (!driver.IsInstalled) return "there is no NVIDIA driver on this machine";
        CudaResult result = driver.Init(0);
        if (result == CudaResult.NoDevice) return "the NVIDIA driver finds no GPU";
        if (result != CudaResult.Success) return "the NVIDIA driver does not start: " + driver.Describe(result);
        result = driver.DriverGetVersion(out int version);
        return result == CudaResult.Success
            ? DriverObstacle(version) : "the NVIDIA driver does not tell its version: " + driver.Describe(result);
    }

    private static string Text(int version) => $"{version / 1000}.{version % 1000 / 10}";

    private static unsafe CudaDevice Describe(ICudaDriver driver, int index)
    {
        driver.Check(driver.DeviceGet(out int device, index), "cuDeviceGet");
        Span<byte> name = stackalloc byte[256];
        fixed (byte* buffer = name) driver.Check(driver.DeviceGetName(buffer, name.Length, device), "cuDeviceGetName");
        driver.Check(driver.DeviceTotalMemory(out nuint bytes, device), "cuDeviceTotalMem");
        string text = Encoding.UTF8.GetString(name[..name.IndexOf((byte)0)]);
        var capability = new Version(
            driver.Attribute(device, CudaDeviceAttribute.ComputeCapabilityMajor),
            driver.Attribute(device, CudaDeviceAttribute.ComputeCapabilityMinor));
        bool pools = driver.Attribute(device, CudaDeviceAttribute.MemoryPoolsSupported) != 0;
        return new CudaDevice(index, text, capability, (long)bytes, driver.Attribute(device, CudaDeviceAttribute.MultiprocessorCount))
        {
            Obstacle = Obstacle(text, capability, pools),
        };
    }
}
