using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using Dnabert2.Folders;
using Dnabert2.Server.Serving;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Dnabert2.Server;

/// <summary>The program <c>dnabert2-server</c>: options, and a sentence and an exit code for whatever goes wrong.</summary>
internal static class CommandLine
{
    /// <summary>The variable that holds the key that clients have to know.</summary>
    public const string KeyVariable = "DNABERT2_API_KEY";

    private const int Done = 0, Failed = 1, Misused = 2;
    private static readonly ServerOptions Usual = new();

    private static readonly Option<string> Model = Text("--model",
        "a model, whole or a LoRA adapter, or a run of pre-training: its folder; 'default' comes with the program", "DIR",
        ModelSource.BuiltIn);

    private static readonly Option<string> Host = Text("--host", "the address to listen on; 0.0.0.0 is every one", "ADDRESS", Usual.Host);
    private static readonly Option<int> Port = Number("--port", "the port; 0 is any free one", Usual.Port, 0, 65535);
    private static readonly Option<string?> KeyFile = new("--api-key-file")
    {
        Description = $"a file with the key that clients send as 'Authorization: Bearer KEY' [default: the variable {KeyVariable}, if set]",
        HelpName = "FILE",
    };

    private static readonly Option<string> Pool =
        Choice("--pooling", "how the vectors of a sequence's tokens become one", "mean", "cls", "max");
    private static readonly Option<int> MaxInput =
        Number("--max-input-tokens", "the most tokens of a sequence; 0: as in the model's training, or 512", 0, 0, 1 << 24);
    private static readonly Option<int> MaxBatch =
        Number("--max-batch-tokens", "the most tokens computed together", Usual.MaxBatchTokens, 1, 1 << 24);
    private static readonly Option<int> MaxQueue =
        Number("--max-queue-tokens", "the most tokens that wait; then clients get 429", Usual.MaxQueueTokens, 1, int.MaxValue);
    private static readonly Option<int> MaxRequests =
        Number("--max-requests", "the most requests at a time; then clients get 429", Usual.MaxRequests, 1, 1 << 20);
    private static readonly Option<int> MaxClientBatch =
        Number("--max-client-batch", "the most sequences of a request", Usual.MaxClientBatch, 1, 1 << 20);
    private static readonly Option<int> MaxBody =
        Number("--max-body-mb", "the most megabytes of a request's body", (int)(Usual.MaxBodyBytes >> 20), 1, 1024);
    private static readonly Option<int> MaxMemory = Number("--max-memory-mb",
        "the most megabytes that requests take together, beside the model and its batch", (int)(Usual.MaxMemoryBytes >> 20), 16, 1 << 20);
    private static readonly Option<int> Timeout = Number(
        "--timeout", "the most seconds from a request's beginning to the end of its answer", (int)Usual.Timeout.TotalSeconds, 1, 3600);
    private static readonly Option<string> Device =
        Text("--device", "where to compute; auto: the first usable GPU, otherwise the CPU", "auto|cpu|cuda[:N]", "auto");
    private static readonly Option<string> Dtype = Choice("--dtype", "the type of the factors of matrix products", "f32", "bf16", "i8");
    private static readonly Option<int> Threads = Number("--threads", "threads to compute with; 0: one per core", 0, 0, 1024);

    /// <summary>Runs the server until it is told to end.</summary>
    /// <param name="args">What is typed after its name.</param>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand(
            "Serves a DNABERT-2 or another genome model over HTTP, by the routes of text-embeddings-inference and OpenAI; "
            + "the page at its address tries it out")
        {
            Model, Host, Port, KeyFile, Pool, MaxInput, MaxBatch, MaxQueue, MaxRequests, MaxClientBatch, MaxBody, MaxMemory, Timeout,
            Device, Dtype, Threads,
        };
        root.SetAction((parsed, _) => Serve(parsed));
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
        {
            foreach (ParseError error in parsed.Errors) Say(error.Message);
            Say("'dnabert2-server --help' shows how to use it");
            return Misused;
        }

        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException or ArgumentException
            or CudaException or NotSupportedException or DeviceMemoryException or OutOfMemoryException)
        {
            Say($"error: {e.Message}");
            return Failed;
        }
    }

    private static async Task<int> Serve(ParseResult parsed)
    {
        ServerOptions options = OptionsOf(parsed);
        ModelSource source = ModelSource.Open(options.ModelId);
        if (source.Description.Length > 0) Say(source.Description);
        using Backend backend = Open(parsed);
        using ServedModel model = ServedModel.Load(source, backend, options);
        await using WebApplication app = ServerApp.Build(model, options);
        await app.StartAsync();
        string address = app.Urls.First();
        Say($"{options.ModelId} on {backend.Description}: {address} (page, /embed, /predict, /tokenize, /v1/embeddings, /openapi.json)");
        if (options.ApiKey is null && options.Host != "localhost" && !IPAddress.IsLoopback(IPAddress.Parse(options.Host)))
            Say($"anybody who reaches {options.Host} may use it: {KeyVariable} or --api-key-file sets a key");
        await app.WaitForShutdownAsync();
        return Done;
    }

    private static ServerOptions OptionsOf(ParseResult parsed)
    {
        string host = parsed.GetRequiredValue(Host);
        if (host != "localhost" && !IPAddress.TryParse(host, out _))
            throw new ArgumentException($"--host {host}: expected an address such as 127.0.0.1, 0.0.0.0, :: or localhost");
        string dtype = parsed.GetRequiredValue(Dtype);
        return new ServerOptions
        {
            ModelId = parsed.GetRequiredValue(Model),
            Host = host,
            Port = parsed.GetValue(Port),
            ApiKey = KeyOf(parsed.GetValue(KeyFile)),
            Pooling = Enum.Parse<Pooling>(parsed.GetRequiredValue(Pool), ignoreCase: true),
            Dtype = dtype switch { "bf16" => "bfloat16", "i8" => "int8", _ => "float32" },
            MaxInputTokens = parsed.GetValue(MaxInput) is > 0 and var most ? most : null,
            MaxBatchTokens = parsed.GetValue(MaxBatch),
            MaxQueueTokens = parsed.GetValue(MaxQueue),
            MaxRequests = parsed.GetValue(MaxRequests),
            MaxClientBatch = parsed.GetValue(MaxClientBatch),
            MaxBodyBytes = (long)parsed.GetValue(MaxBody) << 20,
            MaxMemoryBytes = (long)parsed.GetValue(MaxMemory) << 20,
            Timeout = TimeSpan.FromSeconds(parsed.GetValue(Timeout)),
        };
    }

    /// <summary>The key: of a file or a variable, since other users of a machine see arguments.</summary>
    private static string? KeyOf(string? file)
    {
        string? key = file is null ? Environment.GetEnvironmentVariable(KeyVariable) : File.ReadAllText(file);
        if (key is null) return null;
        key = key.Trim();
        return key.Length > 0 ? key
            : throw new ArgumentException(
                file is null ? $"{KeyVariable} is empty: set a key or unset it" : $"{file}: there is no key in it");
    }

    private static Backend Open(ParseResult parsed)
    {
        string device = parsed.GetRequiredValue(Device);
        Precision precision = parsed.GetRequiredValue(Dtype) switch { "bf16" => Precision.BF16, "i8" => Precision.I8, _ => Precision.F32 };
        DType activations = precision == Precision.BF16 ? DType.BF16 : DType.F32;
        int threads = parsed.GetValue(Threads);
        if (device == "cpu" || (device == "auto" && precision == Precision.I8)) return CpuBackend.Create(threads, precision);
        if (device == "auto")
            return CudaDevices.List(out _).FirstOrDefault(gpu => gpu.Obstacle is null) is { } first
                && CudaDevices.TryOpen(first.Index, out Backend? found, out _, activations) ? found : CpuBackend.Create(threads, precision);
        string index = device.StartsWith("cuda:", StringComparison.Ordinal) ? device[5..] : device == "cuda" ? "0" : "";
        if (!int.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture, out int number) || precision == Precision.I8)
            throw new ArgumentException(
                $"--device {device}: expected auto, cpu, cuda or cuda:0 (the number of a GPU), and i8 is of the CPU");
        return CudaDevices.TryOpen(number, out Backend? backend, out string? obstacle, activations)
            ? backend : throw new ArgumentException($"--device {device}: {obstacle}; use --device cpu");
    }

    private static void Say(string message) => Console.Error.WriteLine($"dnabert2-server: {message}");

    private static Option<string> Text(string name, string description, string help, string preferred) =>
        new(name) { Description = description, HelpName = help, DefaultValueFactory = _ => preferred };

    private static Option<string> Choice(string name, string description, params string[] values)
    {
        var option = new Option<string>(name)
        {
            Description = description,
            HelpName = string.Join('|', values),
            DefaultValueFactory = _ => values[0],
        };
        option.AcceptOnlyFromAmong(values);
        return option;
    }

    private static Option<int> Number(string name, string description, int preferred, int least, int most)
    {
        var option = new Option<int>(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => preferred };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var value && (value < least || value > most))
                result.AddError($"{name} {value}: expected a whole number from {least} to {most}");
        });
        return option;
    }
}
