namespace Engine.Runtime.Cuda;

/// <summary>Calls of the driver that must succeed.</summary>
internal static class CudaDriverCalls
{
    /// <summary>Throws what the driver has against a call that no kernel's failure can be behind.</summary>
    public static void Check(this ICudaDriver driver, CudaResult result, string call)
    {
        if (result != CudaResult.Success) throw new CudaException(result, $"{call}: {driver.Describe(result)}");
    }

    public static int Attribute(this ICudaDriver driver, int device, CudaDeviceAttribute attribute)
    {
        driver.Check(driver.DeviceGetAttribute(out int value, attribute, device), "cuDeviceGetAttribute");
        return value;
    }
}
