using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Tests.Gpu;

public sealed class CudaDevicesTests
{
    [SkippableFact]
    public void Without_a_driver_a_sentence_says_so_and_nothing_is_thrown()
    {
        Skip.If(CudaDriver.IsInstalled, "there is a driver");
        Assert.False(CudaDevices.TryOpen(0, out Backend? backend, out string? obstacle));
        Assert.Null(backend);
        Assert.Equal("there is no NVIDIA driver on this machine", obstacle);
        Assert.Empty(CudaDevices.List(out obstacle));
        Assert.Equal(obstacle, Assert.Throws<NotSupportedException>(() => CudaDevices.Open()).Message);
    }

    [SkippableFact]
    public void A_device_that_does_not_exist_is_refused_by_number()
    {
        Skip.If(CudaDevices.List(out string? obstacle).Count == 0, obstacle);
        Assert.False(CudaDevices.TryOpen(1000, out _, out string? message));
        Assert.Contains("there is no GPU 1000", message);
    }

    [Theory]
    [InlineData(7, 5, true, "Tesla has compute capability 7.5; the kernels need 8.0 (Ampere) or newer")]
    [InlineData(8, 0, true, null)]
    [InlineData(9, 0, true, null)]
    [InlineData(9, 0, false, "Tesla has no memory pools under this driver and operating system")]
    public void An_architecture_that_is_too_old_is_named(int major, int minor, bool pools, string? expected) =>
        Assert.Equal(expected, CudaDevices.Obstacle("Tesla", new Version(major, minor), pools));

    [Theory]
    [InlineData(11030, "the NVIDIA driver knows CUDA 11.3; the kernels need a driver for CUDA 11.4 (470) or newer")]
    [InlineData(11040, null)]
    [InlineData(12040, null)]
    public void A_driver_that_is_too_old_is_named(int version, string? expected) => Assert.Equal(expected, CudaDevices.DriverObstacle(version));

    [Fact]
    public void The_message_of_a_failure_names_the_kernels_that_were_under_way()
    {
        string[] recent = ["a", "b", "c"];
        Assert.Equal("No kernel was under way", CudaContext.Suspects(recent, 0));
        Assert.Equal("The kernel under way was a", CudaContext.Suspects(recent, 1));
        Assert.StartsWith("Of the kernels under way the last were a, b;", CudaContext.Suspects(recent, 2));
        Assert.StartsWith("Of the kernels under way the last were b, c, a;", CudaContext.Suspects([recent[0], recent[1], recent[2]], 4));
    }
}
