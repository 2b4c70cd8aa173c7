using Engine.KernelCompiler;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;
using GpuBench;

const string Usage = """
    GpuBench — checks and measures the kernels and the model on a GPU; bench/gpu/run.sh calls it

      GpuBench check   JOURNAL [PART ...]    ops, sizes, gradients, bf16, golden, trajectories, equal, cpu; without a part, all
      GpuBench tune    JOURNAL [TABLE]       checks the forms of matrix products, times those that passed; TABLE: where to write the fastest
      GpuBench measure JOURNAL [PART ...]    bandwidth, ladder, throughput, model
      GpuBench first   JOURNAL NAME          seconds from the start of this process to the first embedding of the 117M model in bf16
      GpuBench report  JOURNAL [PEERS.json]  the journal as Markdown on standard output

    The journal keeps what was done; what is in it is not done again. Exit code 3: the GPU has stopped, run the same again to go on.
    """;

if (args is not [var what, var path, ..] || !(what is "check" or "tune" or "measure" or "report" || (what == "first" && args.Length == 3)))
{
    Console.Error.WriteLine(Usage);
    return 2;
}

const int Device = 0;
CudaDevice? gpu = CudaDevices.List(out string? obstacle).ElementAtOrDefault(Device);
obstacle ??= gpu?.Obstacle;
if (gpu is null || obstacle is not null)
{
    Console.Error.WriteLine($"GpuBench: {obstacle}");
    return 1;
}

// Held for the whole run: checks open and close the GPU, and making its context anew takes a while.
ICudaDriver driver = CudaDriver.Native;
driver.Check(driver.DeviceGet(out int device, Device), "cuDeviceGet");
driver.Check(driver.DevicePrimaryContextRetain(out _, device), "cuDevicePrimaryCtxRetain");
// So that what is compiled here is compiled once.
var library = new KernelLibrary(new IlgpuKernelCompiler());
GpuDevice Open() => new CudaContext(driver, gpu, library);
var journal = new Journal(path);
if (args[0] == "report")
{
    Console.Write(Report.Write(journal, gpu.Name, args.Length > 2 ? File.ReadAllText(args[2]) : null));
    return 0;
}

if (args[0] == "first") return Runner.Run([new("first use", args[2], open => FirstUse.Measure(open(), new(), tokens: 128))], journal, Open);
if (args[0] == "tune")
{
    int code = Runner.Run([.. Products.Full.Checks(), .. Products.Full.Tuning(journal)], journal, Open);
    if (code != Runner.Again && args.Length > 2) File.WriteAllLines(args[2], ["# " + gpu.Name, .. Products.Table(journal)]);
    return code;
}

IEnumerable<WorkItem> tasks = args[0] == "check"
    ? Checks.All() : [.. new Bandwidth(65536).All(), .. Products.Full.Rungs(journal), .. Throughput.Full.All()];
string[] parts = [.. args.Skip(2)];
return Runner.Run(parts.Length > 0 ? tasks.Where(t => parts.Contains(t.Part)) : tasks, journal, Open);
