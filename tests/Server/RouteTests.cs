using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Dnabert2.Embeddings;
using Dnabert2.FineTuning;
using Dnabert2.Server;
using Tests.FineTuning;
using Tests.Training;
using Tests.Weights;

namespace Tests.Server;

public sealed class RouteTests : IAsyncLifetime
{
    private RunningServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await RunningServer.Start();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Vectors_are_those_of_embed_also_where_a_sequence_is_cut_at_unknown_bases()
    {
        string[] sequences = [Toy.Bases(1, 300), "acguacgu", "ACGTTGNNNNNACGTTGCARYACC", " GGGATT\n"];
        float[,] expected = new Embedder(_server.Model).Embed([.. sequences.Select(s => s.Trim())]).ToArray();
        float[][] vectors = await _server.Embed(sequences);
        Assert.Equal(sequences.Length, vectors.Length);
        for (int i = 0; i < vectors.Length; i++)
            for (int c = 0; c < _server.Model.HiddenSize; c++) Assert.Equal(expected[i, c], vectors[i][c], 1e-5f);
        JsonNode one = (await (await _server.Post("/embed", """{"inputs":"ACGUACGU"}""")).Content.ReadFromJsonAsync<JsonNode>())!;
        float[] unit = [.. one.AsArray().Single()!.AsArray().Select(x => (float)x!)];
        Assert.Equal(1, unit.Sum(x => x * x), 1e-4f);
        Assert.Equal(vectors[1][0] / MathF.Sqrt(vectors[1].Sum(x => x * x)), unit[0], 1e-5f);
    }

    [Fact]
    public async Task Tokens_have_the_places_of_the_bases_they_stand_for()
    {
        using HttpResponseMessage answer = await _server.Post("/tokenize", """{"inputs":["ACGTTGNCA"]}""");
        JsonArray tokens = (await answer.Content.ReadFromJsonAsync<JsonArray>())!.Single()!.AsArray();
        Assert.Equal(("[CLS]", null), ((string)tokens[0]!["text"]!, tokens[0]!["start"]));
        Assert.Equal("[SEP]", (string)tokens[^1]!["text"]!);
        var inner = tokens.Skip(1).SkipLast(1).ToList();
        Assert.Equal("ACGTTGNCA", string.Concat(inner.Select(t => (bool)t!["special"]! ? "N" : (string)t["text"]!)));
        Assert.Equal(9, (int)inner[^1]!["stop"]!);
        for (int i = 1; i < inner.Count; i++) Assert.Equal((int)inner[i - 1]!["stop"]!, (int)inner[i]!["start"]!);
        using HttpResponseMessage bare = await _server.Post("/tokenize", """{"inputs":"ACGTTGNCA","add_special_tokens":false}""");
        Assert.Equal(inner.Count, (await bare.Content.ReadFromJsonAsync<JsonArray>())!.Single()!.AsArray().Count);
    }

    [Fact]
    public async Task What_is_too_long_is_refused_and_cut_only_where_the_client_says_so()
    {
        string tooLong = Toy.Bases(2, 5000);
        (int status, string error, string type) = await RunningServer.ErrorOf(
            await _server.Post("/embed", $$"""{"inputs":["ACGT","{{tooLong}}"]}"""));
        Assert.Equal((413, "Validation"), (status, type));
        Assert.Matches(@"^inputs\[1\] has [\d,]+ tokens, special ones included, and at most 512 are taken", error);
        using HttpResponseMessage cut = await _server.Post(
            "/embed", $$"""{"inputs":["ACGT","{{tooLong}}"],"truncate":true,"normalize":false}""");
        Assert.Equal("1", cut.Headers.GetValues("X-Truncated-Inputs").Single());
        var options = new EmbedOptions { OnTooLong = TooLong.Truncate };
        Assert.Equal(new Embedder(_server.Model, options).Embed([tooLong]).Span[0, 3],
            (float)(await cut.Content.ReadFromJsonAsync<JsonNode>())![1]![3]!, 1e-5f);
        Assert.Equal(422, (await RunningServer.ErrorOf(await _server.Post(
            "/embed", """{"inputs":"ACGT","truncate":true,"truncation_direction":"left"}"""))).Status);
        using HttpResponseMessage openAI = await _server.Post("/v1/embeddings", $$"""{"input":"{{tooLong}}"}""");
        Assert.Equal((413, "context_length_exceeded"),
            ((int)openAI.StatusCode, (string)(await openAI.Content.ReadFromJsonAsync<JsonNode>())!["error"]!["code"]!));
    }

    [Fact]
    public async Task Info_health_metrics_and_the_description_of_the_routes_are_there()
    {
        await _server.Embed("ACGTTGCA");
        JsonNode info = (await _server.Client.GetFromJsonAsync<JsonNode>("/info"))!;
        Assert.Equal(("toy", "float32", 512, "mean"), ((string)info["model_id"]!, (string)info["model_dtype"]!,
            (int)info["max_input_length"]!, (string)info["model_type"]!["embedding"]!["pooling"]!));
        Assert.Equal(HttpStatusCode.OK, (await _server.Client.GetAsync("/health")).StatusCode);
        string metrics = await _server.Client.GetStringAsync("/metrics");
        Assert.Contains("dnabert2_server_queue_tokens", metrics);
        Assert.Matches(@"dnabert2_embed_tokens_total\{[^}]*\} [1-9]", metrics);
        Assert.Contains("http_server_request_duration_seconds_count", metrics);
        JsonNode description = (await _server.Client.GetFromJsonAsync<JsonNode>("/openapi.json"))!;
        foreach (string path in (string[])["/embed", "/predict", "/tokenize", "/v1/embeddings", "/attribute"])
            Assert.NotNull(description["paths"]![path]!["post"]!["requestBody"]);
        Assert.Equal(2, description["components"]!["schemas"]!["Sequences"]!["oneOf"]!.AsArray().Count);
    }

    [Fact]
    public async Task The_page_loads_nothing_from_elsewhere()
    {
        using HttpResponseMessage page = await _server.Client.GetAsync("/");
        string text = await page.Content.ReadAsStringAsync();
        Assert.Equal("text/html", page.Content.Headers.ContentType!.MediaType);
        Assert.DoesNotContain("://", text);
        Assert.StartsWith("default-src 'none'; script-src 'self'", page.Headers.GetValues("Content-Security-Policy").Single());
        Assert.Contains("textContent", await _server.Client.GetStringAsync("/page.js"));
    }

    [Fact]
    public async Task The_likelihood_of_a_pre_trained_model_is_attributed_to_its_bases()
    {
        JsonNode answer = (await (await _server.Post("/attribute", """{"inputs":"ACGTTGNCA"}""")).Content.ReadFromJsonAsync<JsonNode>())!;
        Assert.Equal(("likelihood", "ACGTTGNCA"), ((string)answer["target"]!, (string)answer["bases"]!));
        Assert.Equal(9, answer["effects"]!.AsArray().Count);
        Assert.Equal(0, (float)answer["effects"]![0]![0]!);
        Assert.NotEqual(0, (float)answer["effects"]![0]![1]!);
        Assert.Null(answer["effects"]![6]![1]);
        (int status, string error, _) = await RunningServer.ErrorOf(
            await _server.Post("/attribute", $$"""{"inputs":"{{Toy.Bases(1, 1001)}}"}"""));
        Assert.Equal((413, "inputs has 1,001 bases; substitutions are computed for at most 1000"), (status, error));
        Assert.Equal((422, "class 'x': the likelihood is of no class", "Validation"),
            await RunningServer.ErrorOf(await _server.Post("/attribute", """{"inputs":"ACGT","class":"x"}""")));
    }

    [Fact]
    public async Task A_fine_tuned_model_predicts_as_predict_does()
    {
        using var folder = new TempFolder();
        ToyClassifier.Write(folder["model"], TaskKind.SingleLabel, 64, "no", "weak", "strong");
        await using RunningServer server = await RunningServer.Start(folder: folder["model"]);
        using var classifier = ClassifierModel.Load(folder["model"]);
        string[] sequences = ["ACGTTGCATTGACCA", "GGGATTTNACCC"];
        IReadOnlyList<Prediction> expected = new Predictor(classifier).Predict(sequences);

        using HttpResponseMessage batch = await server.Post(
            "/predict", """{"inputs":[["ACGTTGCATTGACCA"],["GGGATTTNACCC"],["ACGT","GGA"]]}""");
        JsonArray rows = (await batch.Content.ReadFromJsonAsync<JsonArray>())!;
        Assert.Equal(3, rows.Count);
        for (int i = 0; i < sequences.Length; i++)
        {
            Assert.Equal(expected[i].Label, (string)rows[i]![0]!["label"]!);
            Assert.Equal(expected[i].Outputs.ToArray().Max(), (float)rows[i]![0]!["score"]!, 1e-5f);
            Assert.True((float)rows[i]![0]!["score"]! >= (float)rows[i]![2]!["score"]!);
        }

        using HttpResponseMessage one = await server.Post("/predict", """{"inputs":"ACGTTGCATTGACCA","raw_scores":true}""");
        TokenSequences tokens = classifier.NewSequences();
        tokens.Add("ACGTTGCATTGACCA"u8);
        Assert.Equal(classifier.Logits(tokens).Max(), (float)(await one.Content.ReadFromJsonAsync<JsonArray>())![0]!["score"]!, 1e-5f);

        (int status, string error, _) = await RunningServer.ErrorOf(
            await server.Post("/predict", $$"""{"inputs":[["ACGT"],["{{Toy.Bases(1, 900)}}"]]}"""));
        Assert.Equal(413, status);
        Assert.StartsWith("inputs[1] has more than 64 tokens", error);
        JsonNode info = (await server.Client.GetFromJsonAsync<JsonNode>("/info"))!;
        Assert.Equal("strong", (string)info["model_type"]!["classifier"]!["id2label"]!["2"]!);
        using HttpResponseMessage attributed = await server.Post("/attribute", """{"inputs":"ACGTTGCA","class":"weak"}""");
        JsonNode effects = (await attributed.Content.ReadFromJsonAsync<JsonNode>())!;
        Assert.Equal(("class", "weak"), ((string)effects["target"]!, (string)effects["class"]!));
        Assert.Single(await server.Embed("ACGT"));
    }

    [Fact]
    public async Task A_model_without_classes_says_so()
    {
        (int status, string error, string type) = await RunningServer.ErrorOf(await _server.Post("/predict", """{"inputs":"ACGT"}"""));
        Assert.Equal((424, "the model is not fine-tuned: it has no classes to predict", "Backend"), (status, error, type));
    }
}
