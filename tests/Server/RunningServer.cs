using System.Diagnostics.Metrics;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.Folders;
using Dnabert2.Server;
using Dnabert2.Server.Serving;
using Engine.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Tests.Training;

namespace Tests.Server;

/// <summary>A server with a tiny model, in this process, on a port of its own.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    private readonly Backend _backend;
    private readonly ServedModel _model;
    private readonly WebApplication _app;

    private RunningServer(Backend backend, ServedModel model, WebApplication app)
    {
        (_backend, _model, _app) = (backend, model, app);
        Client = new HttpClient { BaseAddress = new Uri(app.Urls.Single()), Timeout = TimeSpan.FromMinutes(1) };
    }

    public HttpClient Client { get; }

    public SequenceModel Model => _model.Model;

    public WorkQueue Queue => _app.Services.GetRequiredService<WorkQueue>();

    public Admission Admission => _app.Services.GetRequiredService<Admission>();

    /// <summary>One of a tiny pre-trained model, or of a folder.</summary>
    public static async Task<RunningServer> Start(ServerOptions? options = null, string? folder = null)
    {
        options = (options ?? new ServerOptions()) with { ModelId = "toy", Port = 0 };
        Backend backend = CpuBackend.Create(1);
        ServedModel model = folder is null
            ? ServedModel.Of(
                Dnabert2Model.Initialize(Toy.Config, Toy.Tokenizer, seed: 5, backend, ModelParts.MlmHead), classifier: null, options)
            : ServedModel.Load(ModelSource.Open(folder), backend, options);
        WebApplication app = ServerApp.Build(model, options);
        await app.StartAsync();
        return new RunningServer(backend, model, app);
    }

    /// <summary>Posts JSON as it stands.</summary>
    public Task<HttpResponseMessage> Post(string path, string json, CancellationToken cancellation = default) =>
        Client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"), cancellation);

    /// <summary>Posts sequences to <c>/embed</c>.</summary>
    public async Task<float[][]> Embed(params string[] inputs)
    {
        using HttpResponseMessage answer = await Client.PostAsJsonAsync("/embed", new { inputs, normalize = false });
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<float[][]>())!;
    }

    /// <summary>A connection that speaks for itself, and never more than asked.</summary>
    public async Task<TcpClient> Connect(string text)
    {
        var connection = new TcpClient { ReceiveBufferSize = 4096 };
        await connection.ConnectAsync(Client.BaseAddress!.Host, Client.BaseAddress.Port);
        await connection.GetStream().WriteAsync(Encoding.Latin1.GetBytes(text));
        return connection;
    }

    /// <summary>Waits until nothing is under way, and sees that the server works.</summary>
    public async Task IsSound()
    {
        await Until(() => Admission.Requests == 0);
        Assert.Equal((0L, 0, 0L), (Queue.Tokens, Queue.Jobs, Admission.Bytes));
        Assert.Single(await Embed("ACGTTGCA"));
    }

    public static async Task Until(Func<bool> isSo)
    {
        for (int i = 0; i < 1000 && !isSo(); i++) await Task.Delay(10);
        Assert.True(isSo(), "it did not come about within ten seconds");
    }

    /// <summary>Holds the thread that computes, when it has taken its next batch, until it is disposed.</summary>
    public HeldCompute Hold() => new(_app.Services.GetRequiredService<IMeterFactory>());

    /// <summary>Whether an instrument is of this server rather than of one beside it.</summary>
    public bool Owns(Instrument instrument) => instrument.Meter.Scope == _app.Services.GetRequiredService<IMeterFactory>();

    /// <summary>Stops it as a signal does: what was taken is answered.</summary>
    public Task Stop() => _app.StopAsync();

    /// <summary>A status and what the answer says of an error.</summary>
    public static async Task<(int Status, string Error, string Type)> ErrorOf(HttpResponseMessage answer)
    {
        JsonNode? body = JsonNode.Parse(await answer.Content.ReadAsStringAsync());
        return ((int)answer.StatusCode, (string)body!["error"]!, (string)body["error_type"]!);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        _model.Dispose();
        _backend.Dispose();
    }
}
