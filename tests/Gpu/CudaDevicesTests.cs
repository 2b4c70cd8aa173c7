using Conformance.Gpu;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Tests.Gpu;

public sealed class CudaDevicesTests
{
    [Fact]
    public void Without_a_driver_a_sentence_says_so_and_nothing_is_thrown()
    {
        Assert.SkipWhen(CudaDriver.Native.IsInstalled, "there is a driver");
        Assert.False(CudaDevices.TryOpen(0, out Backend? backend, out string? obstacle));
        Assert.Null(backend);
        Assert.Equal("there is no NVIDIA driver on this machine", obstacle);
        Assert.Empty(CudaDevices.List(out obstacle));
        Assert.Equal(obstacle, Assert.Throws<NotSupportedException>(() => CudaDevices.Open()).Message);
    }

    [Fact]
    public void A_device_that_does_not_exist_is_refused_by_number()
    {
        Assert.SkipWhen(CudaDevices.List(out string? obstacle).Count == 0, obstacle ?? "no GPU was found");
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
    public void A_driver_that_is_too_old_is_named(int version, string? expected) =>
        Assert.Equal(expected, CudaDevices.DriverObstacle(version));

    [Theory]
    [InlineData(false, 12040, 9, "there is no NVIDIA driver on this machine")]
    [InlineData(true, 11030, 9, "the NVIDIA driver knows CUDA 11.3; the kernels need a driver for CUDA 11.4 (470) or newer")]
    [InlineData(true, 12040, 0, "the NVIDIA driver finds no GPU")]
    [InlineData(true, 12040, 7, "Fake has compute capability 7.0; the kernels need 8.0 (Ampere) or newer")]
    public void What_stands_in_the_way_of_a_GPU_is_one_sentence(bool installed, int version, int major, string expected)
    {
        var driver = new FakeDriver { IsInstalled = installed, Version = version, Devices = major == 0 ? [] : [("Fake", major, 0, true)] };
        Assert.False(CudaDevices.TryOpen(driver, 0, out _, out string? obstacle));
        Assert.Equal(expected, obstacle);
        Assert.Equal(0, driver.Held);
    }

    [Fact]
    public void The_second_GPU_is_opened_by_its_number_and_one_that_does_not_exist_is_refused()
    {
        var driver = new FakeDriver { Devices = [("Old", 7, 5, true), ("New", 9, 0, true)] };
        Assert.True(CudaDevices.TryOpen(driver, 1, out Backend? backend, out _));
        Assert.Equal("New, compute capability 9.0, 1024 MiB", backend.Description);
        backend.Dispose();
        Assert.Equal(0, driver.Held);
        Assert.False(CudaDevices.TryOpen(driver, 2, out _, out string? obstacle));
        Assert.Equal("there is no GPU 2; the driver finds 2, numbered from 0", obstacle);
    }

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
