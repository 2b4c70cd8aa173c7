using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using Dnabert2.Embeddings;
using Dnabert2.Server;
using Tests.Training;

namespace Tests.Server;

public sealed class LoadTests
{
    [Fact]
    public async Task Under_overload_each_request_has_its_own_answer_or_is_refused_and_told_when_to_come_again()
    {
        await using RunningServer server = await RunningServer.Start(
            new ServerOptions { MaxQueueTokens = 400, MaxBatchTokens = 200, MaxRequests = 64 });
        string[] sequences = [.. Enumerable.Range(0, 40).Select(i => Toy.Bases((ulong)i, 60 + (7 * i)))];
        float[,] expected = new Embedder(server.Model).Embed(sequences).ToArray();
        int answered = 0, refused = 0;
        var all = new ParallelOptions { MaxDegreeOfParallelism = 40 };
        await Parallel.ForEachAsync(Enumerable.Range(0, 400), all, async (i, cancellation) =>
        {
            int which = i % sequences.Length;
            using HttpResponseMessage answer = await server.Post(
                "/embed", $$"""{"inputs":"{{sequences[which]}}","normalize":false}""", cancellation);
            if (answer.StatusCode == HttpStatusCode.TooManyRequests)
            {
                Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
                Interlocked.Increment(ref refused);
                return;
            }

            float[][] vectors = (await answer.Content.ReadFromJsonAsync<float[][]>(cancellation))!;
            for (int c = 0; c < vectors.Single().Length; c++) Assert.Equal(expected[which, c], vectors[0][c], 1e-5f);
            Interlocked.Increment(ref answered);
        });
        Assert.Equal(400, answered + refused);
        Assert.True(answered > 40, $"{answered} answered");
        await server.IsSound();
    }

    [Fact]
    public async Task A_full_queue_refuses_and_a_client_that_is_gone_leaves_it_before_it_is_computed()
    {
        // Room for one such sequence, but not for two.
        string sequence = Toy.Bases(2, 300);
        var ids = new List<int>();
        Toy.Tokenizer.EncodeSequence(System.Text.Encoding.ASCII.GetBytes(sequence), ids);
        await using RunningServer server = await RunningServer.Start(new ServerOptions { MaxQueueTokens = ids.Count + 10 });
        Task<float[][]> busy, last;
        using (HeldCompute hold = server.Hold())
        {
            busy = server.Embed("ACGT");
            await hold.Reached;
            using var gone = new CancellationTokenSource();
            Task<HttpResponseMessage> waiting = server.Post("/embed", $$"""{"inputs":"{{sequence}}"}""", gone.Token);
            await RunningServer.Until(() => server.Queue.Jobs == 1);
            using HttpResponseMessage refused = await server.Post("/embed", $$"""{"inputs":"{{sequence}}"}""");
            Assert.Equal(429, (int)refused.StatusCode);
            Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
            await gone.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
            await RunningServer.Until(() => server.Queue.Jobs == 0);
            Assert.Equal(0, server.Queue.Tokens);
            last = server.Embed(sequence);
            await RunningServer.Until(() => server.Queue.Jobs == 1);
        }

        Assert.Single(await busy);
        Assert.Single(await last);
        await server.IsSound();
    }

    [Fact]
    public async Task A_request_that_is_not_done_in_time_is_told_so_and_ends()
    {
        await using RunningServer server = await RunningServer.Start(new ServerOptions { Timeout = TimeSpan.FromSeconds(1) });
        using (HeldCompute hold = server.Hold())
        {
            using HttpResponseMessage late = await server.Post("/embed", """{"inputs":"ACGT"}""");
            (int status, string error, _) = await RunningServer.ErrorOf(late);
            Assert.Equal((503, "the request was not done within 1 s"), (status, error));
            Assert.NotNull(late.Headers.RetryAfter);
        }

        await server.IsSound();
    }

    [Fact]
    public async Task Too_many_requests_at_once_are_refused_before_they_are_read()
    {
        await using RunningServer server = await RunningServer.Start(new ServerOptions { MaxRequests = 1 });
        const string Body = """{"inputs":"ACGTTGCA"}""";
        using TcpClient first = await server.Connect(
            $"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {Body.Length}\r\n\r\n{Body[..9]}");
        await RunningServer.Until(() => server.Admission.Requests == 1);
        using HttpResponseMessage second = await server.Post("/embed", Body);
        Assert.Equal(HttpStatusCode.TooManyRequests, second.StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await server.Client.GetAsync("/health")).StatusCode);
        await first.GetStream().WriteAsync(Encoding.ASCII.GetBytes(Body[9..]));
        Assert.Equal("HTTP/1.1 200 OK", await new StreamReader(first.GetStream()).ReadLineAsync());
        await server.IsSound();
    }

    [Fact]
    public async Task A_client_that_does_not_read_is_cut_off_and_delays_nobody()
    {
        await using RunningServer server = await RunningServer.Start(new ServerOptions { Timeout = TimeSpan.FromSeconds(1) });
        string inputs = string.Join(',', Enumerable.Range(0, 2000).Select(i => $"\"{Toy.Bases((ulong)i % 50, 200)}\""));
        string body = $"{{\"inputs\":[{inputs}]}}";
        using TcpClient slow = await server.Connect(
            $"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");
        await RunningServer.Until(() => slow.Available > 0);
        Assert.Single(await server.Embed("ACGTTGCA"));
        Assert.True(server.Admission.Requests == 1, "the answer was too short to wait for its reader");
        await server.IsSound();
    }

    [Fact]
    public async Task A_server_that_is_told_to_end_answers_all_that_it_took()
    {
        await using RunningServer server = await RunningServer.Start();
        Task<float[][]> busy;
        Task<float[][]>[] waiting;
        Task stop;
        using (HeldCompute hold = server.Hold())
        {
            busy = server.Embed(Toy.Bases(1, 100));
            await hold.Reached;
            waiting = [.. Enumerable.Range(0, 10).Select(i => server.Embed(Toy.Bases((ulong)i, 100)))];
            await RunningServer.Until(() => server.Queue.Jobs == 10);
            stop = server.Stop();
            await Task.Delay(50);
            Assert.False(stop.IsCompleted);
        }

        Assert.Single(await busy);
        foreach (Task<float[][]> request in waiting) Assert.Single(await request);
        await stop;
        await Assert.ThrowsAsync<HttpRequestException>(() => server.Embed("ACGT"));
    }

    [Fact]
    public async Task Requests_that_wait_together_are_computed_together_each_with_its_own_vectors()
    {
        await using RunningServer server = await RunningServer.Start();
        string[] sequences = [.. Enumerable.Range(0, 12).Select(i => Toy.Bases((ulong)i, 40 + (10 * i)))];
        float[,] expected = new Embedder(server.Model).Embed(sequences).ToArray();
        Task<float[][]> first;
        Task<float[][]>[] rest;
        var sizes = new List<int>();
        using var batch = new MeterListener { InstrumentPublished = Listen };
        batch.SetMeasurementEventCallback<int>((_, tokens, _, _) => sizes.Add(tokens));
        using (HeldCompute hold = server.Hold())
        {
            first = server.Embed("ACGT");
            await hold.Reached;
            batch.Start();
            rest = [.. sequences.Select(sequence => server.Embed(sequence))];
            await RunningServer.Until(() => server.Queue.Jobs == rest.Length);
        }

        await first;
        for (int i = 0; i < rest.Length; i++)
        {
            float[] vector = (await rest[i]).Single();
            for (int c = 0; c < vector.Length; c++) Assert.Equal(expected[i, c], vector[c], 1e-5f);
        }

        // The first batch, of one short sequence, may or may not be told of.
        Assert.Single(sizes, tokens => tokens > 10);

        void Listen(Instrument instrument, MeterListener listener)
        {
            if (server.Owns(instrument) && instrument.Name == "dnabert2.server.batch.tokens") listener.EnableMeasurementEvents(instrument);
        }
    }
}
